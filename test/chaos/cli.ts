/** `npm run chaos`: rounds of work and faults over one lab. Exit code 1 when a round fails. */
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { fromHere, positiveNumber, wholeNumber } from '../lab/cli/options.ts';
import { purge } from '../lab/world/purge.ts';
import { runChaos } from './chaos.ts';

interface Options {
  rounds: number;
  seed?: number;
  campuses: number;
  from: number;
  roundSeconds: number;
  dir?: string;
  json?: boolean;
}

export function buildCli(): Command {
  return new Command('chaos')
    .description(
      'The lab under a random workload on both sides, cuts, bad links, killed and hanging processes; after each round both sides must be equal, and hold what was acknowledged once.',
    )
    .option('--rounds <n>', 'how many rounds', wholeNumber, 200)
    .option('--seed <n>', 'the seed of everything random (default: another one each time)', wholeNumber)
    .option('--campuses <n>', 'how many campuses', wholeNumber, 2)
    .option('--from <n>', 'number of the first round', wholeNumber, 1)
    .option('--round-seconds <n>', 'how long each round works before it settles', positiveNumber, 3)
    .option('--dir <folder>', 'the lab’s folder (default: a temporary one)', fromHere)
    .option('--json', 'end with one line of JSON')
    .action(run);
}

async function run({ roundSeconds, json, ...options }: Options): Promise<void> {
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  const dir = options.dir ?? temporaryFolder();
  const seed = options.seed ?? Math.floor(Math.random() * 1_000_000_000);
  const say = (line: string) => console.log(line);
  const result = await runChaos({
    ...options,
    dir,
    seed,
    roundMs: roundSeconds * 1000,
    signal: end.signal,
    say,
  });
  if (result.ok && options.dir === undefined) purge(dir);
  say(
    json
      ? JSON.stringify({ ...result, rounds: result.rounds.map(({ ledgers: _, ...round }) => round) })
      : `${result.rounds.length} rounds, seed ${seed}: ${result.ok ? 'all is well' : 'FAILED'}.`,
  );
  if (!result.ok) process.exitCode = 1;
}

/** Of a kind that the user of Postgres may walk into. */
function temporaryFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-chaos-'));
  chmodSync(dir, 0o755);
  return dir;
}
