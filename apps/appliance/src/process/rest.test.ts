import { expect, test } from 'vitest';
import { tidyAtRest } from './rest.ts';

/** @param shares What the process uses of a processor, look by look. @returns the looks after which it tidied. */
async function looksThatTidy(shares: readonly number[]): Promise<number[]> {
  const stop = new AbortController();
  const tidied: number[] = [];
  let [cpu, at, look] = [0, 0, 0];
  const pause = async (ms: number) => {
    cpu += (shares[look] ?? 0) * ms;
    at += ms;
    look += 1;
    if (look >= shares.length) stop.abort();
  };
  const collect = () => {
    tidied.push(look);
  };
  await tidyAtRest({ cpuMs: () => cpu, monotonicMs: () => at, pause, collect }, stop.signal);
  return tidied;
}

test('memory is tidied once after a start, and once after each stretch of work', async () => {
  const [rest, work] = [Array(6).fill(0.02), Array(3).fill(0.9)];
  expect(await looksThatTidy([...rest, ...rest])).toEqual([4]);
  expect(await looksThatTidy([...work, ...rest, ...rest, ...work, ...rest])).toEqual([7, 22]);
});

test('not while it works now and then', async () => {
  const unsteady = Array.from({ length: 40 }, (_, look) => (look % 4 === 0 ? 0.5 : 0.02));
  expect(await looksThatTidy(unsteady)).toEqual([]);
});
