/**
 * One round: people and programs write on both sides while things go wrong; then everything is put right, both sides come to
 * rest, and what was acknowledged is looked for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DayLedger } from '../lab/day/day.ts';
import type { Lab } from '../lab/lab.ts';
import { checkRound, readPayments } from './check.ts';
import { describeFault, type Fault, planFaults, restoreAll, runFaults } from './faults.ts';
import { randomOf } from './random.ts';
import { runWriter, type Writer } from './workload/groups.ts';
import type { People } from './workload/people.ts';
import { watchSite } from './workload/watch.ts';

export interface Round {
  readonly lab: Lab;
  readonly people: readonly People[];
  readonly seed: number;
  readonly number: number;
  readonly lastsMs: number;
}

export interface RoundResult {
  readonly number: number;
  readonly faults: readonly Fault[];
  readonly acknowledged: number;
  readonly uncertain: number;
  readonly seconds: number;
  /** What does not hold; empty when all is well. */
  readonly problems: readonly string[];
  /** Losses of kinds that do not fail a round (`check.ts`). */
  readonly known: readonly string[];
  /** When each fault began, for holding it against the logs. */
  readonly story: readonly string[];
  /** What people did, when something does not hold. */
  readonly ledgers: readonly DayLedger[];
}

export async function runRound({ lab, people, seed, number, lastsMs }: Round): Promise<RoundResult> {
  const startedAt = performance.now();
  const faults = planFaults(randomOf(seed, number, 'faults'), lab.campuses, lastsMs);
  const problems: string[] = [];
  const writers = writersOf(lab, { seed, number, problems });
  const paymentsBefore = new Set((await readPayments(lab)).map(({ id }) => id));
  const story: string[] = [];
  const tell = (line: string) => story.push(`${new Date().toISOString()} ${line}`);
  const writing = new AbortController();
  const watching = new AbortController();
  const watches = sitesOf(lab).map((site) => watchSite({ ...site, problems }, watching.signal));
  const working = people.map((some) => some.work(randomOf(seed, number, some.campus), writing.signal));
  const writes = writers.map((writer) => runWriter(writer, writing.signal));
  await Promise.all([sleep(lastsMs), runFaults(lab, faults, tell)]);
  await restoreAll(lab);
  tell('everything is put right');
  writing.abort();
  const ledgers = await Promise.all(working);
  await Promise.all(writes);
  const groups = writers.flatMap((writer) => writer.groups);
  const found = await checkRound(lab, { ledgers, groups, paymentsBefore });
  watching.abort();
  await Promise.all(watches);
  const all = [...new Set([...found.problems, ...problems])];
  const count = (of: 'acknowledged' | 'uncertain') =>
    writers.reduce((sum, { counts }) => sum + counts[of], 0) +
    ledgers.reduce(
      (sum, { writes: entered }) => sum + entered.filter(({ outcome }) => outcome === of).length,
      0,
    );
  return {
    number,
    faults,
    acknowledged: count('acknowledged'),
    uncertain: count('uncertain'),
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
    problems: all,
    known: found.known,
    story,
    ledgers: all.length === 0 ? [] : ledgers,
  };
}

function writersOf(
  lab: Lab,
  { seed, number, problems }: { seed: number; number: number; problems: string[] },
): Writer[] {
  return lab.campuses.flatMap((campus) => {
    const { cloud, campus: onCampus } = lab.addresses(campus);
    return (['cloud', 'campus'] as const).map((side): Writer => {
      const url = side === 'cloud' ? cloud.postgres : onCampus.postgres;
      const label = `CHAOS ${number} ${campus} ${side}`;
      const counts = { acknowledged: 0, uncertain: 0, refused: 0 };
      const random = randomOf(seed, number, campus, side);
      return { url, campus, label, random, groups: [], problems, counts };
    });
  });
}

function sitesOf(lab: Lab): { url: string; name: string }[] {
  const campuses = lab.campuses.map((name) => ({ url: lab.addresses(name).campus.postgres, name }));
  return [{ url: lab.addresses().cloud.postgres, name: 'the cloud' }, ...campuses];
}

export function roundLine({
  number,
  faults,
  acknowledged,
  uncertain,
  seconds,
  problems,
  known,
}: RoundResult): string {
  const what = `${faults.length} faults, ${acknowledged} acknowledged, ${uncertain} uncertain, ${seconds} s`;
  const told = known.length === 0 ? '' : `, ${known.length} known losses`;
  return `round ${number}: ${what}${told}${problems.length === 0 ? '' : ` – ${problems.length} PROBLEMS`}`;
}

export function roundReport(result: RoundResult): string[] {
  return [...result.faults.map(describeFault), ...result.problems];
}
