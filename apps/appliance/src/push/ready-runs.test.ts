import { beforeEach, expect, it } from 'vitest';
import { ReadyRuns, type RunSource } from './ready-runs.ts';

/** A log whose transactions are of 100 bytes each. */
class Log implements RunSource {
  epoch = 'one';
  acknowledged = 0;
  lastSeq = 0;

  read(seq: number, maxBytes: number, maxTransactions: number) {
    const count = Math.min(this.lastSeq - seq, maxTransactions, Math.max(1, Math.floor(maxBytes / 100)));
    if (count <= 0) return null;
    const lines = Array.from({ length: count }, (_, i) => `${this.epoch} ${seq + 1 + i}`);
    return { lines, bytes: count * 100, lastSeq: seq + count };
  }
}

const kib = 1024;
const never = new AbortController().signal;
let log: Log;
let packed: string[];
let ready: ReadyRuns<string[]>;

beforeEach(() => {
  log = new Log();
  packed = [];
  ready = new ReadyRuns(log, async (lines) => {
    packed.push(...lines);
    return [...lines];
  });
});

const linesOf = (runs: { packed: string[] }[]) => runs.flatMap((run) => run.packed);

it('what was made ready in a cut is not made again', async () => {
  log.lastSeq = 5_000;
  await ready.fill(0, never);
  const before = packed.length;
  const runs = await ready.take(0, 4_096 * kib);
  expect(linesOf(runs)).toHaveLength(5_000);
  expect(packed.length - before).toBeLessThan(2_000);
  expect(runs[0]).toMatchObject({ after: 0, lastSeq: 2_000, bytes: 200_000 });
});

it('nothing is made ready of a run that is still growing', async () => {
  log.lastSeq = 10;
  await ready.fill(0, never);
  expect(packed).toEqual([]);
  expect(linesOf(await ready.take(0, 512 * kib))).toHaveLength(10);
});

it('no more is made ready than may be kept, and it is made as it is needed', async () => {
  log.lastSeq = 10_000;
  const pack = async (lines: readonly string[]) => {
    packed.push(...lines);
    return [Buffer.alloc(700)];
  };
  const bounded = new ReadyRuns(log, pack, 1_400);
  await bounded.fill(0, never);
  expect(packed).toHaveLength(4_000);
  await bounded.fill(0, never);
  expect(packed).toHaveLength(4_000);
  log.acknowledged = 2_000;
  await bounded.fill(2_000, never);
  expect(packed).toHaveLength(6_000);
  expect((await bounded.take(6_000, kib * kib)).at(-1)?.lastSeq).toBe(10_000);
});

it('what is not acknowledged can be taken again, and what is, is let go', async () => {
  log.lastSeq = 4_000;
  const first = await ready.take(0, 4_096 * kib);
  expect(await ready.take(0, 4_096 * kib)).toEqual(first);
  expect(packed).toHaveLength(4_000);
  log.acknowledged = 2_000;
  await ready.take(2_000, 4_096 * kib);
  log.acknowledged = 0;
  await ready.take(0, 4_096 * kib);
  expect(packed).toHaveLength(6_000);
});

it('a batch for a slow link is small, whatever was ready', async () => {
  log.lastSeq = 2_000;
  await ready.fill(0, never);
  const runs = await ready.take(0, 16 * kib);
  expect(linesOf(runs).length).toBeLessThanOrEqual(164);
  expect(linesOf(runs)[0]).toBe('one 1');
});

it('runs follow one another without a gap', async () => {
  log.lastSeq = 9_999;
  const seen: string[] = [];
  for (let at = 0; ; ) {
    const runs = await ready.take(at, 64 * kib);
    const last = runs.at(-1);
    if (!last) break;
    seen.push(...linesOf(runs));
    at = last.lastSeq;
    if (at % 3 === 0) await ready.fill(at, never);
  }
  expect(seen).toEqual(Array.from({ length: 9_999 }, (_, i) => `one ${i + 1}`));
});

it('another log has none of the runs of this one', async () => {
  log.lastSeq = 2_000;
  await ready.fill(0, never);
  log.epoch = 'two';
  expect(linesOf(await ready.take(0, 512 * kib))[0]).toBe('two 1');
});

it('a run that cannot be made is said to whoever takes it, and the next try may succeed', async () => {
  log.lastSeq = 10;
  let broken = true;
  const fragile = new ReadyRuns(log, async (lines) => {
    if (broken) throw new Error('no memory');
    return lines;
  });
  await expect(fragile.take(0, 512 * kib)).rejects.toThrow('no memory');
  broken = false;
  await expect(fragile.take(0, 512 * kib)).resolves.toHaveLength(1);
});

it('a run that is too large for the link is made anew in smaller ones that end where it ended', async () => {
  log.lastSeq = 6_000;
  await ready.fill(0, never);
  const before = packed.length;
  for (let at = 0; at < 2_000; ) {
    const runs = await ready.take(at, 70 * kib);
    at = runs.at(-1)?.lastSeq ?? Number.POSITIVE_INFINITY;
    expect(at).toBeLessThanOrEqual(2_000);
  }
  await ready.take(2_000, 4_096 * kib);
  expect(packed.length - before).toBe(2_000);
});
