import { expect, test } from 'vitest';
import { judgeQuality, type Sample, withSample } from './brown-out.ts';

const settings = { lossRatio: 0.4, p95Ms: 3_000, windowMs: 30_000 };

/** One round every five seconds. */
function rounds(...rtts: (number | null)[]) {
  const samples = rtts.reduce<Sample[]>(
    (all, rttMs, index) => withSample(all, { atMs: index * 5_000, rttMs }, settings),
    [],
  );
  return judgeQuality(samples, (rtts.length - 1) * 5_000, settings);
}

test('a good link is no brown-out', () => {
  expect(rounds(20, 30, 20, 25, 20, 30, 20)).toEqual({ samples: 7, lossRatio: 0, p95Ms: 30, brownOut: null });
});

test('forty per cent of lost probes are one', () => {
  expect(rounds(20, null, 20, 20, null, 20, null).brownOut).toMatch(/43 % of the probes of the last 30 s/);
  expect(rounds(20, null, 20, 20, 20, 20, null).brownOut).toBeNull();
});

test('answers that take three seconds are one', () => {
  expect(rounds(20, 20, 20, 20, 20, 20, 3_100).brownOut).toMatch(/took 3100 ms/);
});

test('it is not judged before the rounds span the whole window', () => {
  expect(rounds(null, null, null, 20, null, null).brownOut).toBeNull();
  expect(rounds(null, null, null, 20, null, null, null).brownOut).not.toBeNull();
});

test('what is older than the window is forgotten', () => {
  expect(rounds(null, null, null, null, 20, 20, 20, 20, 20, 20, 20)).toMatchObject({
    samples: 7,
    lossRatio: 0,
  });
});
