import { expect, test } from 'vitest';
import { nextHoldDownMs } from './hold-down.ts';

const settings = { minMs: 60_000, maxMs: 900_000, decayMs: 900_000 };

test('grows from a minute to a quarter of an hour while the link flaps', () => {
  const grown = [1, 2, 3, 4, 5, 6].reduce<number[]>(
    (all) => [...all, nextHoldDownMs(all.at(-1) ?? 0, 10_000, settings)],
    [],
  );
  expect(grown).toEqual([60_000, 120_000, 240_000, 480_000, 900_000, 900_000]);
});

test('is halved by each quarter of an hour spent online', () => {
  expect(nextHoldDownMs(900_000, 900_000, settings)).toBe(900_000);
  expect(nextHoldDownMs(900_000, 4 * 900_000, settings)).toBe(112_500);
  expect(nextHoldDownMs(900_000, 24 * 3_600_000, settings)).toBe(60_000);
});
