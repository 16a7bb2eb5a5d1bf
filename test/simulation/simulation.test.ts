import { expect, test } from 'vitest';
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
