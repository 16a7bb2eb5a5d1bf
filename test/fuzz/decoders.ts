/**
 * Spoilt messages for the decoders: a batch of the wire, and the stream of Postgres. Each is either right or refused by the
 * decoder's own error; nothing else may come out, and nothing may hang.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import {
  type Batch,
  decodeBatch,
  type Message,
  PgoutputDecoder,
  PgoutputError,
  SyncError,
  transactionsIn,
} from '@skooly-edge/sync-protocol';
import { seededRandom } from '../lab/seeded-random.ts';
import { FuzzFailure, type FuzzOptions, type FuzzResult } from './failure.ts';
import { oneOf, pick, type Random, spoilBytes, spoilJson } from './mutate.ts';
import { streamMessages } from './stream-messages.ts';

/** Each message has a seed of its own, so that one can be seen again alone. */
const seedOf = (seed: number, index: number) => (Math.imul(seed, 0x9e3779b1) ^ index) >>> 0;

/** Batches that are decoded at once, while zlib works beside us. */
const together = 64;

export async function fuzzCodec({ seed, messages, only, onProgress }: FuzzOptions): Promise<FuzzResult> {
  const vectors = readVectors();
  const result: FuzzResult = { target: 'codec', messages: 0, accepted: 0, refused: 0 };
  const one = async (index: number) => {
    const body = spoiltBatch(seededRandom(seedOf(seed, index)), vectors);
    result.messages++;
    try {
      checkBatch(await decodeBatch(body));
      result.accepted++;
    } catch (error) {
      if (!(error instanceof SyncError) || !error.code.startsWith('BATCH_'))
        throw new FuzzFailure('codec', seed, index, body, String(error));
      result.refused++;
    }
  };
  if (only !== undefined) await one(only);
  for (let next = 0; only === undefined && next < messages; next += together) {
    const indexes = Array.from({ length: Math.min(together, messages - next) }, (_, i) => next + i);
    await Promise.all(indexes.map(one));
    onProgress?.(result.messages);
  }
  return result;
}

function spoiltBatch(random: Random, vectors: readonly string[][]): Buffer {
  if (pick(random, 2) === 0) return spoiltBlocks(random, oneOf(random, blockVectors()));
  const lines = [...oneOf(random, vectors)];
  if (pick(random, 3) === 0) return spoilBytes(random, zstdCompressSync(lines.join('\n')));
  if (pick(random, 20) === 0) return spoiltFrames(random, lines);
  if (pick(random, 500) === 0) return bomb();
  const at = pick(random, lines.length);
  if (pick(random, 4) === 0) lines.splice(at, 0, oneOf(random, lines));
  else lines[at] = spoilLine(random, lines[at] ?? '');
  return zstdCompressSync(lines.join('\n'));
}

let bombBytes: Buffer | undefined;

function bomb(): Buffer {
  bombBytes ??= zstdCompressSync(Buffer.alloc(300 * 1024 * 1024));
  return bombBytes;
}

/** Whole frames one after the other, as zstd allows: some twice, cut, out of order, or empty. */
function spoiltFrames(random: Random, lines: readonly string[]): Buffer {
  const frames: Buffer[] = lines.map((line) => zstdCompressSync(`${line}\n`));
  const at = pick(random, frames.length);
  switch (pick(random, 4)) {
    case 0:
      frames.splice(at, 0, oneOf(random, frames));
      break;
    case 1:
      frames.reverse();
      break;
    case 2:
      frames.push(zstdCompressSync(''));
      break;
    default:
      frames[at] = spoilBytes(random, frames[at] ?? Buffer.alloc(0));
  }
  return Buffer.concat(frames);
}

/** A batch of version 2, taken apart. */
interface BlockVector {
  header: unknown;
  blocks: { text: unknown; pool: Buffer }[];
}

let readBlockVectors: BlockVector[] | undefined;

function blockVectors(): BlockVector[] {
  const folder = new URL('../../packages/sync-protocol/vectors/version-2/', import.meta.url);
  readBlockVectors ??= readdirSync(folder).map((name) => {
    const { body } = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
    const [header = Buffer.alloc(0), ...blocks] = framesOf(Buffer.from(body, 'hex').subarray(4));
    return { header: jsonOf(header), blocks: blocks.map(blockOf) };
  });
  return readBlockVectors;
}

function framesOf(bytes: Buffer): Buffer[] {
  if (bytes.length === 0) return [];
  const end = 4 + bytes.readUInt32LE();
  return [bytes.subarray(4, end), ...framesOf(bytes.subarray(end))];
}

function blockOf(frame: Buffer): BlockVector['blocks'][number] {
  const end = 4 + frame.readUInt32LE();
  return { text: jsonOf(frame.subarray(4, end)), pool: frame.subarray(end) };
}

function jsonOf(compressed: Buffer): unknown {
  return JSON.parse(zstdDecompressSync(compressed).toString());
}

/** Spoilt in what it says, in the bytes of its pool, or anywhere; the rest fits. */
function spoiltBlocks(random: Random, { header, blocks }: BlockVector): Buffer {
  const spoilt = pick(random, blocks.length + 1);
  const spoilsPool = pick(random, 6) === 0;
  const frames = [spoilt === blocks.length ? spoilJson(random, header) : JSON.stringify(header)].map((text) =>
    zstdCompressSync(text),
  );
  for (const [index, { text, pool }] of blocks.entries()) {
    const isSpoilt = index === spoilt;
    const compressed = zstdCompressSync(
      isSpoilt && !spoilsPool ? spoilJson(random, text) : JSON.stringify(text),
    );
    const bytes = isSpoilt && spoilsPool ? spoilBytes(random, pool) : pool;
    frames.push(Buffer.concat([lengthOf(compressed), compressed, bytes]));
  }
  const body = Buffer.concat([Buffer.from('SKB2'), ...frames.flatMap((frame) => [lengthOf(frame), frame])]);
  return pick(random, 4) === 0 ? spoilBytes(random, body) : body;
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return length;
}

function spoilLine(random: Random, line: string): string {
  try {
    return spoilJson(random, JSON.parse(line));
  } catch {
    return spoilBytes(random, Buffer.from(line)).toString('utf8');
  }
}

/** What is let through has the shapes that the rest of the engine relies on. @throws Error */
function checkBatch(batch: Batch): void {
  const isText = (value: unknown) => value === null || typeof value === 'string';
  for (const { seq, changes } of transactionsIn(batch)) {
    if (!Number.isSafeInteger(seq) || seq < 1) throw new Error(`seq ${seq} was let through`);
    for (const { key, before, after } of changes) {
      const values = [...Object.values(key), ...Object.values(before ?? {}), ...Object.values(after ?? {})];
      if (!values.every(isText)) throw new Error('a value that is no text was let through');
    }
  }
}

function readVectors(): string[][] {
  const folder = new URL('../../packages/sync-protocol/vectors/valid/', import.meta.url);
  return readdirSync(folder).map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')).lines);
}

/** @throws Error for a message whose parts are not of the kinds that its type says. */
function checkMessage(message: Message): void {
  for (const [name, part] of Object.entries(message)) {
    if (typeof part === 'number' && !(Number.isFinite(part) && Number.isInteger(part)))
      throw new Error(`${name} ${part} was let through`);
    if (name !== 'before' && name !== 'after') continue;
    if (Object.values(part as object).some((value) => value !== null && typeof value !== 'string'))
      throw new Error(`a value of ${name} that is no text was let through`);
  }
}

export function fuzzPgoutput({ seed, messages, only, onProgress }: FuzzOptions): FuzzResult {
  const result: FuzzResult = { target: 'pgoutput', messages: 0, accepted: 0, refused: 0 };
  const { relation, others } = streamMessages();
  const one = (index: number) => {
    const random = seededRandom(seedOf(seed, index));
    const decoder = new PgoutputDecoder();
    decoder.decode(relation);
    const message = spoilBytes(random, pick(random, 5) === 0 ? relation : oneOf(random, others));
    result.messages++;
    try {
      checkMessage(decoder.decode(message));
      result.accepted++;
    } catch (error) {
      if (!(error instanceof PgoutputError))
        throw new FuzzFailure('pgoutput', seed, index, message, String(error));
      result.refused++;
    }
  };
  if (only !== undefined) one(only);
  for (let index = 0; only === undefined && index < messages; index++) {
    one(index);
    if (index % 10_000 === 0) onProgress?.(index);
  }
  return result;
}
