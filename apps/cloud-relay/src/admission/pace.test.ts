import { expect, test } from 'vitest';
import { Pace } from './pace.ts';

function open() {
  let nowMs = 0;
  const pace = new Pace(() => nowMs);
  const batches = (count: number, msEach: number, moreWait = true) => {
    for (let n = 0; n < count; n++) {
      nowMs += msEach;
      pace.done(moreWait);
    }
  };
  return { pace, batches };
}

test('a relay that slows down for long is believed', () => {
  const { pace, batches } = open();
  batches(1, 0);
  batches(50, 400);
  expect(pace.msEach).toBe(400);
});

test('the first batches of a storm, which go slowly, send nobody away for long', () => {
  const { pace, batches } = open();
  batches(20, 900);
  expect(pace.msEach).toBe(20);
  batches(40, 12);
  expect(pace.msEach).toBe(12);
});

test('time in which nobody waits is not counted', () => {
  const { pace, batches } = open();
  batches(100, 5_000, false);
  expect(pace.msEach).toBe(20);
});
