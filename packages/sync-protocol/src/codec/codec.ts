/**
 * Batches on the wire: a header line and one line per transaction, JSON, compressed with zstd.
 * A batch is whole or refused: a decoder that meets one malformed line throws and returns nothing.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import type { BootTimes } from '../clock/clock.ts';
import { SyncError } from '../errors.ts';
import type { Transaction } from '../transaction/transaction.ts';

export const protocolVersion = 1;

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
  transactions: Transaction[];
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
    v: Type.Literal(protocolVersion),
    epoch: Type.String({ minLength: 1, maxLength: 64 }),
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
  return encodeLines([JSON.stringify({ v: protocolVersion, ...header }), ...lines]);
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
 * @throws SyncError BATCH_MALFORMED for anything that `encodeBatch` could not have made, or seqs with a gap;
 *   BATCH_TOO_LARGE beyond `maxBatchBytes`.
 */
export async function decodeBatch(body: Uint8Array): Promise<Batch> {
  const [header, ...lines] = await decodeLines(body);
  if (!Header.Check(header)) throw malformed(1, 'is no header of a version that this side speaks');
  const transactions: Transaction[] = [];
  for (const [index, transaction] of lines.entries()) {
    if (!TransactionLine.Check(transaction)) throw malformed(index + 2, 'is no transaction');
    const previous = transactions.at(-1);
    if (previous && transaction.seq !== previous.seq + 1)
      throw malformed(index + 2, 'does not follow the seq before it');
    transactions.push(transaction as Transaction);
  }
  const { epoch, boots, adopted } = header;
  return { epoch, ...(boots && { boots }), ...(adopted && { adopted }), transactions };
}

/** @throws SyncError BATCH_MALFORMED, BATCH_TOO_LARGE */
export async function decodeLines(body: Uint8Array): Promise<unknown[]> {
  return (await inflate(body)).split('\n').map((line, index) => parseLine(line, index + 1));
}

async function inflate(body: Uint8Array): Promise<string> {
  try {
    return (await decompress(body, { maxOutputLength: maxBatchBytes })).toString('utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new SyncError('BATCH_TOO_LARGE', `The batch holds more than ${maxBatchBytes} bytes.`, { cause });
    }
    throw new SyncError('BATCH_MALFORMED', 'The batch is not zstd-compressed data.', { cause });
  }
}

function parseLine(line: string, number: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw malformed(number, 'is not JSON', cause);
  }
}

function malformed(line: number, why: string, cause?: unknown): SyncError {
  return new SyncError('BATCH_MALFORMED', `Line ${line} of the batch ${why}.`, { cause });
}
