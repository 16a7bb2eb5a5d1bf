/**
 * Batches on the wire: a header and blocks of transactions. A batch is whole or refused: a decoder that meets one malformed
 * part throws, when the batch is opened or at the latest when that part is unpacked.
 *
 * Version 1, a header line and a line of JSON per transaction in one zstd frame, is still read.
 */
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { type Block, toBlock, transactionsOf } from '../block/block.ts';
import { encodeBlock, openBlock, type PackedBlock } from '../block/block-code.ts';
import type { BootTimes } from '../clock/clock.ts';
import { SyncError } from '../errors.ts';
import type { Transaction } from '../transaction/transaction.ts';

/** Of the messages that are lines of JSON. */
export const protocolVersion = 1;

const batchVersion = 2;

/** What a batch of version 2 begins with; no zstd frame does. */
const magic = Buffer.from('SKB2');

const lengthBytes = 4;

/** A block is closed when it holds this many changes, or the transactions of so many characters: a transaction is never cut. */
export const maxBlockChanges = 4_000;
const maxBlockCharacters = 2 * 1024 * 1024;

/** A batch that decompresses to more than this is refused (a zstd bomb, or a sender without batch limits). */
export const maxBatchBytes = 256 * 1024 * 1024;

const compressionLevel = 1;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export interface BatchHeader {
  /** The sender's log epoch. */
  epoch: string;
  /** What the sender knows of the boots that the transactions name. */
  boots?: BootTimes;
  /** The log is not the sender's own, but that of a box which it replaces: what is applied comes down to the sender too. */
  adopted?: boolean;
}

export interface Batch extends BatchHeader {
  blocks: readonly PackedBlock[];
}

const Microseconds = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const MicrosecondsOrNull = Type.Union([Microseconds, Type.Null()]);
const BootName = Type.String({ minLength: 1, maxLength: 40 });
const BootTimeShape = Type.Object({
  base: MicrosecondsOrNull,
  earliest: Microseconds,
  latest: MicrosecondsOrNull,
});
const Header = Compile(
  Type.Object({
    v: Type.Union([Type.Literal(protocolVersion), Type.Literal(batchVersion)]),
    epoch: Type.String({ minLength: 1, maxLength: 64 }),
    blocks: Type.Optional(Type.Integer({ minimum: 0 })),
    boots: Type.Optional(Type.Record(BootName, BootTimeShape)),
    adopted: Type.Optional(Type.Boolean()),
  }),
);
const RowShape = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]));
const KeyShape = Type.Record(Type.String(), Type.String(), { minProperties: 1 });
const changeBase = {
  table: Type.String({ minLength: 3, maxLength: 130 }),
  key: KeyShape,
  by: Type.Optional(Type.Union([Type.String(), Type.Null()])),
};
const ChangeShape = Type.Union([
  Type.Object({ ...changeBase, op: Type.Literal('insert'), before: Type.Null(), after: RowShape }),
  Type.Object({ ...changeBase, op: Type.Literal('update'), before: RowShape, after: RowShape }),
  Type.Object({ ...changeBase, op: Type.Literal('delete'), before: RowShape, after: Type.Null() }),
]);
const TransactionLine = Compile(
  Type.Object({
    seq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    committedAt: Microseconds,
    boot: Type.Optional(BootName),
    mono: Type.Optional(Microseconds),
    more: Type.Optional(Type.Boolean()),
    truncated: Type.Optional(Type.Array(Type.String({ minLength: 3, maxLength: 130 }))),
    changes: Type.Array(ChangeShape),
  }),
);

/** One transaction as a line of a batch. The sync log keeps this text, so that sending is concatenation. */
export function encodeTransaction(transaction: Transaction): string {
  return JSON.stringify(transaction);
}

/** @param lines Results of `encodeTransaction`, in order of seq. */
export async function encodeBatch(header: BatchHeader, lines: readonly string[]): Promise<Buffer> {
  return joinBlocks(header, await encodeBlocks(lines));
}

/** @param blocks Results of `encodeBlocks`, in order of seq. */
export async function joinBlocks(header: BatchHeader, blocks: readonly Buffer[]): Promise<Buffer> {
  const first = await encodeLines([JSON.stringify({ v: batchVersion, ...header, blocks: blocks.length })]);
  return Buffer.concat([magic, ...[first, ...blocks].flatMap(framed)]);
}

/** @param lines Results of `encodeTransaction`, in order of seq. */
export async function encodeBlocks(lines: readonly string[]): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  for (const block of blocksOf(lines)) {
    blocks.push(await encodeBlock(block));
    // Who else waits for this thread comes between two blocks.
    await setImmediate();
  }
  return blocks;
}

function* blocksOf(lines: readonly string[]): Generator<Block> {
  let transactions: Transaction[] = [];
  let [changes, characters] = [0, 0];
  for (const line of lines) {
    const transaction = JSON.parse(line) as Transaction;
    const follows = transactions.length === 0 || transaction.seq === (transactions.at(-1)?.seq ?? 0) + 1;
    const full =
      !follows ||
      changes + transaction.changes.length > maxBlockChanges ||
      characters + line.length > maxBlockCharacters;
    if (full && transactions.length > 0) {
      yield toBlock(transactions);
      [transactions, changes, characters] = [[], 0, 0];
    }
    transactions.push(transaction);
    changes += transaction.changes.length;
    characters += line.length;
  }
  if (transactions.length > 0) yield toBlock(transactions);
}

function framed(bytes: Buffer): [Buffer, Buffer] {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32LE(bytes.length);
  return [length, bytes];
}

/** Lines of JSON as one compressed body. */
export async function encodeLines(lines: readonly string[]): Promise<Buffer> {
  // The checksum refuses what was damaged on the way and would still decompress to something.
  const params = {
    [constants.ZSTD_c_compressionLevel]: compressionLevel,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  return compress(Buffer.from(lines.join('\n')), { params });
}

/**
 * Checks all but the values of the changes, which `unpack` does.
 *
 * @throws SyncError BATCH_MALFORMED for anything that `encodeBatch` could not have made, or seqs with a gap;
 *   BATCH_TOO_LARGE beyond `maxBatchBytes`.
 */
export async function decodeBatch(body: Uint8Array): Promise<Batch> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!bytes.subarray(0, magic.length).equals(magic)) return decodeVersion1(bytes);
  const [first, ...rest] = frames(bytes);
  if (!first) throw malformed('has no header');
  const [header] = await decodeLines(first);
  if (!Header.Check(header) || header.v !== batchVersion) throw malformed(unknownHeader);
  if (header.blocks !== rest.length) throw malformed('has not as many blocks as it says');
  const blocks: PackedBlock[] = [];
  let left = maxBatchBytes;
  for (const frame of rest) {
    const block = await open(frame, left);
    left -= block.bytes;
    const [last, next] = [blocks.at(-1)?.heads.at(-1), block.heads[0]];
    if (!next || (last && next.seq !== last.seq + 1)) throw malformed('leaves a seq out');
    blocks.push(block);
  }
  return { ...headerOf(header), blocks };
}

/**
 * The same batch, whose first block is unpacked now: for a reader that has time now and none later.
 *
 * @throws SyncError BATCH_MALFORMED
 */
export function unpackedAhead(batch: Batch): Batch {
  const [first, ...rest] = batch.blocks;
  if (!first) return batch;
  let ahead: Block | null = first.unpack();
  const unpack = () => {
    const block = ahead ?? first.unpack();
    ahead = null;
    return block;
  };
  return { ...batch, blocks: [{ ...first, unpack }, ...rest] };
}

/** All transactions of a batch. @throws SyncError BATCH_MALFORMED */
export function transactionsIn({ blocks }: Batch): Transaction[] {
  return blocks.flatMap((block) => transactionsOf(block.unpack()));
}

/** A block that has come as transactions. */
export function packed(transactions: readonly Transaction[]): PackedBlock {
  const heads = transactions.map(({ changes, ...head }) => ({ ...head, changes: changes.length }));
  return { heads, bytes: 0, unpack: () => toBlock(transactions) };
}

function* frames(bytes: Buffer): Generator<Buffer> {
  for (let at = magic.length; at < bytes.length; ) {
    const start = at + lengthBytes;
    const end = start <= bytes.length ? start + bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (end > bytes.length) throw malformed('is cut short');
    yield bytes.subarray(start, end);
    at = end;
  }
}

async function open(frame: Buffer, maxBytes: number): Promise<PackedBlock> {
  try {
    const block = await openBlock(frame, maxBytes);
    return { ...block, unpack: () => unpacked(block) };
  } catch (cause) {
    throw refusal(cause);
  }
}

function unpacked(block: PackedBlock): Block {
  try {
    return block.unpack();
  } catch (cause) {
    throw refusal(cause);
  }
}

function refusal(cause: unknown): SyncError {
  if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(cause);
  return malformed('has a block that cannot be read', cause);
}

const unknownHeader = 'has no header of a version that this side speaks';

function headerOf({ epoch, boots, adopted }: BatchHeader): BatchHeader {
  return { epoch, ...(boots && { boots }), ...(adopted && { adopted }) };
}

async function decodeVersion1(body: Buffer): Promise<Batch> {
  const [header, ...lines] = await decodeLines(body);
  if (!Header.Check(header) || header.v !== protocolVersion) throw malformed(unknownHeader);
  const transactions: Transaction[] = [];
  for (const [index, transaction] of lines.entries()) {
    if (!TransactionLine.Check(transaction)) throw malformed(`has no transaction in line ${index + 2}`);
    const previous = transactions.at(-1);
    if (previous && transaction.seq !== previous.seq + 1) throw malformed('leaves a seq out');
    transactions.push(transaction as Transaction);
  }
  const blocks: PackedBlock[] = [];
  for (let start = 0; start < transactions.length; start += maxBlockChanges)
    blocks.push(packed(transactions.slice(start, start + maxBlockChanges)));
  return { ...headerOf(header), blocks };
}

/** @throws SyncError BATCH_MALFORMED, BATCH_TOO_LARGE */
export async function decodeLines(body: Uint8Array): Promise<unknown[]> {
  return (await inflate(body)).split('\n').map((line, index) => parseLine(line, index + 1));
}

async function inflate(body: Uint8Array): Promise<string> {
  try {
    return (await decompress(body, { maxOutputLength: maxBatchBytes })).toString('utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(cause);
    throw malformed('is not zstd-compressed data', cause);
  }
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw malformed(`has no JSON in line ${number}`, cause);
  }
}

function tooLarge(cause: unknown): SyncError {
  return new SyncError('BATCH_TOO_LARGE', `The batch holds more than ${maxBatchBytes} bytes.`, { cause });
}

function malformed(why: string, cause?: unknown): SyncError {
  return new SyncError('BATCH_MALFORMED', `The batch ${why}.`, { cause });
}
