import { describe, expect, test } from 'vitest';
import { bugs } from './bugs/bugs.ts';
import { simulate } from './simulation.ts';

const seeds = 100;

test('whatever befalls them, the sites end equal, with nothing lost, doubled or settled silently', async () => {
  const failures: string[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const { problems } = await simulate(seed);
    if (problems.length > 0) failures.push(`seed ${seed}: ${problems.join('; ')}`);
  }
  expect(failures).toEqual([]);
}, 120_000);

test('a seed replays exactly', async () => {
  const once = await simulate(7, { trace: true });
  expect(await simulate(7, { trace: true })).toEqual(once);
}, 30_000);

/** What a few dozen seeds are enough for; `npm run simulate -- --bugs` looks for the rest among more. */
const common = [
  'cursor-outside',
  'ack-before-fsync',
  'origin-filter-off-campus',
  'origin-filter-off-cloud',
  'pending-by-ack',
  'column-corrections',
  'mid-transaction-corrections',
  'no-corrections',
  'duplicates-unrecognised',
  'salvage-off',
  'seen-unchecked',
  'touched-not-made',
];

/** The first seed that catches the bug; null when none of so many does. */
async function caughtBy(bug: string, within: number): Promise<number | null> {
  for (let seed = 1; seed <= within; seed++) {
    const { problems } = await simulate(seed, { bug });
    if (problems.length > 0) return seed;
  }
  return null;
}

describe('a deliberate bug is caught:', () => {
  test.each(common)(
    '%s',
    async (bug) => {
      expect(await caughtBy(bug, 100), bugs[bug]?.what).not.toBeNull();
    },
    60_000,
  );
});
