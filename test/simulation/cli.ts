/** `npm run simulate`: many seeds, one seed with its history, or the deliberate bugs with the seed that catches each. */
import { Command, InvalidArgumentError } from 'commander';
import { bugs } from './bugs/bugs.ts';
import { runSeeds } from './run-seeds.ts';
import { simulate } from './simulation.ts';

interface Options {
  seeds: number;
  from: number;
  workers: number;
  bug?: string;
  bugs?: boolean;
  seed?: number;
  trace?: boolean;
  json?: boolean;
}

const progressEveryMs = 10_000;
const maxShownFailures = 20;

export function buildCli(): Command {
  return new Command('simulate')
    .description(
      'The real engine over a simulated clock, network, disk and database: everything random from one seed.',
    )
    .option('--seeds <n>', 'how many seeds', wholeNumber, 10_000)
    .option('--from <seed>', 'the first seed', wholeNumber, 1)
    .option('--workers <n>', 'worker processes', wholeNumber, 2)
    .option('--bug <name>', 'plant a deliberate bug (see --bugs)')
    .option('--bugs', 'list the deliberate bugs and the first seed from --from that catches each')
    .option('--seed <seed>', 'run this one only', wholeNumber)
    .option('--trace', 'with --seed: print its history')
    .option('--json', 'end with one line of JSON')
    .action(async (options: Options) => {
      if (options.seed !== undefined) await one(options.seed, options);
      else if (options.bugs) await catchBugs(options);
      else await many(options);
    });
}

async function one(seed: number, { bug, trace, json }: Options): Promise<void> {
  const result = await simulate(seed, { bug, trace });
  for (const line of result.trace) say(line);
  if (json) say(JSON.stringify({ ...result, trace: undefined }));
  else {
    const { transactions, conflicts, parked, faults, seconds } = result;
    say(
      `seed ${seed}: ${transactions} transactions, ${conflicts} conflicts, ${parked} parked, ${faults} faults, ${seconds} s`,
    );
    for (const problem of result.problems) say(`  ${problem}`);
  }
  if (result.problems.length > 0) process.exitCode = 1;
}

async function many({ seeds, from, workers, bug, json }: Options): Promise<void> {
  const started = Date.now();
  const failed: { seed: number; problems: string[] }[] = [];
  const sums = { seeds: 0, transactions: 0, conflicts: 0, parked: 0, faults: 0 };
  let shownAt = started;
  await runSeeds({
    from,
    count: seeds,
    workers,
    bug,
    onSeed({ seed, problems, ...counts }) {
      sums.seeds++;
      for (const name of ['transactions', 'conflicts', 'parked', 'faults'] as const)
        sums[name] += counts[name];
      if (problems.length > 0) {
        failed.push({ seed, problems });
        if (failed.length <= maxShownFailures) report(seed, problems, bug);
      }
      if (Date.now() - shownAt > progressEveryMs) {
        shownAt = Date.now();
        process.stderr.write(`${sums.seeds} of ${seeds} seeds, ${failed.length} failed\n`);
      }
      return true;
    },
  });
  const seconds = (Date.now() - started) / 1000;
  const { transactions, conflicts, parked, faults } = sums;
  if (json) say(JSON.stringify({ from, ...sums, failed, seconds }));
  else
    say(
      `${sums.seeds} seeds from ${from}: ${transactions} transactions, ${conflicts} conflicts, ${parked} parked, ${faults} faults; ${failed.length} failed; ${seconds.toFixed(1)} s`,
    );
  if (failed.length > 0) process.exitCode = 1;
}

function report(seed: number, problems: readonly string[], bug: string | undefined): void {
  process.stderr.write(`seed ${seed} failed: ${problems.slice(0, 3).join('\n  ')}\n`);
  const planted = bug === undefined ? '' : ` --bug ${bug}`;
  process.stderr.write(`  replay: npm run simulate -- --seed ${seed} --trace${planted}\n`);
}

async function catchBugs({ seeds, from, workers, json }: Options): Promise<void> {
  const caught: { bug: string; seed: number | null; problem: string | null }[] = [];
  for (const [bug, { what }] of Object.entries(bugs)) {
    let first: { seed: number; problem: string } | null = null;
    await runSeeds({
      from,
      count: seeds,
      workers,
      bug,
      onSeed({ seed, problems }) {
        if (problems[0] !== undefined) first ??= { seed, problem: problems[0].split('\n')[0] as string };
        return first === null;
      },
    });
    const { seed = null, problem = null } = (first ?? {}) as { seed?: number; problem?: string };
    caught.push({ bug, seed, problem });
    if (!json)
      say(
        `${bug.padEnd(28)} ${seed === null ? 'NOT CAUGHT' : `seed ${seed}`}\n  ${what}\n  ${problem ?? ''}`,
      );
    if (seed === null) process.exitCode = 1;
  }
  if (json) say(JSON.stringify(caught));
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1)
    throw new InvalidArgumentError('give a whole number from 1 on.');
  return number;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
