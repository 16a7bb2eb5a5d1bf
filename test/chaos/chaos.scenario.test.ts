import { expect, test } from 'vitest';
import { purge } from '../lab/world/purge.ts';
import { temporaryFolder } from '../support/lab.ts';
import { runChaos } from './chaos.ts';

const rounds = 20;
const campuses = 2;

test('rounds of chaos lose nothing that was acknowledged, and leave all sides equal', async () => {
  const said: string[] = [];
  const dir = temporaryFolder();
  const seed = 20_250_908;
  const result = await runChaos({
    dir,
    rounds,
    campuses,
    seed,
    roundMs: 1_500,
    say: (line) => said.push(line),
  });
  expect(result.ok, said.join('\n')).toBe(true);
  purge(dir);
});
