/** Spoilt feed blocks: each is refused whole by its own code, or says something that the follower can rely on. */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { encodeFeedBlock, type FeedEntry, openFeedBlock, SyncError } from '@skooly-edge/sync-protocol';
import { seededRandom } from '../lab/seeded-random.ts';
import { FuzzFailure, type FuzzOptions, type FuzzResult } from './failure.ts';
import { pick, type Random, spoilBytes, spoilJson } from './mutate.ts';

/** Each message has a seed of its own, so that one can be seen again alone. */
const seedOf = (seed: number, index: number) => (Math.imul(seed, 0x9e3779b1) ^ index) >>> 0;

const uuid = (n: number) => `7935fc6c-58b0-d5dc-afac-${String(n).padStart(12, '0')}`;

/** Inserts, changes, a pupil who came from elsewhere, a correction, a commit in two parts. */
const sample: FeedEntry[] = Array.from({ length: 12 }, (_, n) => {
  const [key, after] = [{ id: uuid(n) }, { id: uuid(n), name: `pupil ${n}`, phone: null }];
  const change = { table: 'public.pupil', key, op: 'insert' as const, before: null, after };
  return {
    epoch: 'cloud-1',
    seq: 40 + n,
    stamp: { epoch: n < 5 ? '' : 'log-1', seq: n < 5 ? 0 : 7 },
    committedAt: 1_795_400_000_000_000 + n * 900,
    lsn: 734_003_200 + n * 312,
    ...(n === 8 && { more: true }),
    changes: [n === 3 ? { ...change, moved: true } : change],
    corrections: n === 6 ? [{ table: 'public.pupil', key, row: after }] : [],
  };
});

/** The texts of the two layers, and the pool behind them. */
function partsOf(block: Buffer): { texts: [unknown, unknown]; pool: Buffer } {
  const [outer, behind] = partText(block);
  const [inner, pool] = partText(behind);
  return { texts: [outer, inner], pool };
}

function partText(bytes: Buffer): [text: unknown, behind: Buffer] {
  const end = 4 + bytes.readUInt32LE();
  return [JSON.parse(zstdDecompressSync(bytes.subarray(4, end)).toString()), bytes.subarray(end)];
}

function joinText(text: string, behind: Buffer): Buffer {
  const compressed = zstdCompressSync(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(compressed.length);
  return Buffer.concat([length, compressed, behind]);
}

function spoilt(random: Random, { texts, pool }: ReturnType<typeof partsOf>): Buffer {
  const at = pick(random, 4);
  const [outer, inner] = texts.map((text, layer) =>
    layer === at ? spoilJson(random, text) : JSON.stringify(text),
  );
  const behind = joinText(inner ?? '', at === 2 ? spoilBytes(random, pool) : pool);
  const bytes = joinText(outer ?? '', behind);
  return at === 3 ? spoilBytes(random, bytes) : bytes;
}

/** @throws Error for what the follower could not rely on. */
function check(bytes: Buffer): void {
  const group = openFeedBlock(bytes);
  const isText = (value: unknown) => value === null || typeof value === 'string';
  let last = 0;
  for (const { seq, lsn, stamp, committedAt, changes, corrections } of group.entries()) {
    for (const number of [seq, lsn, stamp.seq, committedAt]) {
      if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${number} was let through`);
    }
    if (last > 0 && seq !== last + 1) throw new Error(`entry ${seq} follows ${last}`);
    last = seq;
    const rows = [
      ...changes.flatMap(({ key, before, after }) => [key, before ?? {}, after ?? {}]),
      ...corrections.flatMap(({ key, row }) => [key, row ?? {}]),
    ];
    if (!rows.every((row) => Object.values(row).every(isText)))
      throw new Error('a value that is no text was let through');
  }
}

export function fuzzFeedBlocks({ seed, messages, only, onProgress }: FuzzOptions): FuzzResult {
  const result: FuzzResult = { target: 'feed', messages: 0, accepted: 0, refused: 0 };
  const parts = partsOf(encodeFeedBlock(sample));
  const one = (index: number) => {
    const bytes = spoilt(seededRandom(seedOf(seed, index)), parts);
    result.messages++;
    try {
      check(bytes);
      result.accepted++;
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== 'BATCH_MALFORMED')
        throw new FuzzFailure('feed', seed, index, bytes, String(error));
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
