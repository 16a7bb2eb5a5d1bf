/**
 * Chaos: one lab stays up through many short rounds of work and faults (`round.ts`). Everything that is chosen comes from one
 * seed, so a failing round can be run again by itself; what the machine makes of it in time is its own, so it may need several
 * tries. The run ends at the first round that fails, with the lab's folder as it is then.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Lab, openLab } from '../lab/lab.ts';
import { randomOf } from './random.ts';
import { type RoundResult, roundLine, roundReport, runRound } from './round.ts';
import { gatherPeople, type People } from './workload/people.ts';

/** Safe against the crash of a process; only a power cut could tell the difference. */
const postgresSettings = { fsync: false, full_page_writes: false };
const defaultRoundMs = 3_000;
const schoolDate = new Intl.DateTimeFormat('en-CA', { timeZone: 'Africa/Douala', dateStyle: 'short' });

export interface ChaosOptions {
  /** The lab's folder; kept when a round fails. */
  readonly dir: string;
  readonly rounds: number;
  readonly seed: number;
  readonly campuses: number;
  /** The first round; earlier ones are left out. */
  readonly from?: number;
  readonly roundMs?: number;
  readonly signal?: AbortSignal;
  say(line: string): void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly ok: boolean;
  readonly rounds: readonly RoundResult[];
}

export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { dir, rounds, seed, campuses, from = 1, say, signal } = options;
  say(`seed ${seed}, ${campuses} campuses, lab in ${dir}`);
  const random = randomOf(seed, 'cable');
  await using lab = await openLab({ dir, campuses, postgresSettings, random });
  await lab.up();
  await using people = await gatherAll(lab, seed);
  const done: RoundResult[] = [];
  for (let number = from; number < from + rounds && !signal?.aborted; number++) {
    const lastsMs = options.roundMs ?? defaultRoundMs;
    const result = await runRound({ lab, people: people.all, seed, number, lastsMs });
    done.push(result);
    say(roundLine(result));
    for (const line of result.known) say(`  known: ${line}`);
    if (result.problems.length === 0) continue;
    for (const line of failureLines(options, result)) say(line);
    return { seed, ok: false, rounds: done };
  }
  return { seed, ok: true, rounds: done };
}

async function gatherAll(lab: Lab, seed: number): Promise<AsyncDisposable & { all: readonly People[] }> {
  const date = schoolDate.format(Date.now());
  const all = await Promise.all(
    lab.campuses.map((campus) => gatherPeople(lab.addresses(campus), randomOf(seed, 'logins', campus), date)),
  );
  return {
    all,
    async [Symbol.asyncDispose]() {
      for (const people of all) await people[Symbol.asyncDispose]();
    },
  };
}

function failureLines({ dir, seed, campuses }: ChaosOptions, result: RoundResult): string[] {
  const file = join(dir, `chaos-round-${result.number}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return [
    ...roundReport(result).map((line) => `  ${line}`),
    `Look at ${file} (what went wrong when), ${join(dir, 'logs')}, and the databases: npm run lab -- up --dir ${dir}`,
    `Again: npm run chaos -- --seed ${seed} --campuses ${campuses} --from ${result.number} --rounds 1`,
  ];
}
