import type { CapturedTransaction } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { paced } from './paced.ts';

const batch = [{ changes: [{}] }] as CapturedTransaction[];
const withoutChanges = [{ changes: [] as object[] }] as CapturedTransaction[];

/** A sink that takes a millisecond for a batch, on a clock of its own. */
function world() {
  const given: number[] = [];
  const clock = {
    atMs: 0,
    nowMs: () => clock.atMs,
    async pause(ms: number) {
      clock.atMs += ms;
    },
  };
  const sink = paced(
    {
      async append() {
        given.push(clock.atMs);
        clock.atMs += 1;
      },
    },
    clock,
  );
  return { sink, clock, given };
}

test('a batch after a rest is handed over at once and holds nobody up', async () => {
  const { sink, clock, given } = world();
  await sink.append(batch);
  clock.atMs = 10;
  await sink.append(batch);
  expect([given, clock.atMs]).toEqual([[0, 10], 11]);
});

test('batches that follow one another closely come at intervals, each handed over as soon as it is there', async () => {
  const { sink, given } = world();
  for (let n = 0; n < 4; n++) await sink.append(batch);
  expect(given).toEqual([0, 1, 6, 11]);
});

test('batches without a change hold nobody up, and are no reason for others to wait', async () => {
  const { sink, given } = world();
  for (let n = 0; n < 3; n++) await sink.append(withoutChanges);
  await sink.append(batch);
  expect(given).toEqual([0, 1, 2, 3]);
});

test('a batch that fails is said to have failed at once, and the next one is handed over', async () => {
  const clock = { nowMs: () => 0, pause: () => Promise.reject(new Error('nobody waits')) };
  let fails = true;
  const sink = paced(
    {
      append() {
        if (fails) throw new Error('no room');
      },
    },
    clock,
  );
  await expect(sink.append(batch)).rejects.toThrow('no room');
  fails = false;
  await sink.append(batch);
});
