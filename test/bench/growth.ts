/**
 * A backlog ten times as large, and again ten times: whether time grows as the changes do, and memory not at all. Each size has a
 * lab of its own, so that none finds what another left warm.
 *
 * Each begins after a morning that both sides have, with code as warm as on any other day. What a heal costs whatever the backlog
 * (noticing it, asking for the cursor) is in every time, so times of two sizes are subtracted: what a further change costs between the
 * first and the second size is set against what it costs between the second and the third.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.ts';
import { atRest } from './process-cpu.ts';
import {
  boxStatus,
  type Memory,
  memoryOf,
  onBothSides,
  pidOf,
  requireEqual,
  until,
  withSchoolLab,
} from './school-lab.ts';
import { afterMorning, commitBacklog, holdsMarker, morning, morningChanges } from './school-mix.ts';

/** Time per change may differ by this factor between the sizes. */
const timeTarget = 1.2;
/** The peak of memory may grow by this factor from the second size to the third. */
const memoryTarget = 1.2;
/** A cut lasts longer than the work that is done in it: when nobody has written for so long, the box makes the backlog ready. */
const quietMs = 3_000;
/** How often each size is measured: what lasts a second says little once. The median counts. */
const repeated = [3, 3, 1];
const pollMs = 5;
const limitMs = 30 * 60_000;

export interface GrowthRun {
  changes: number;
  /** From "cable healed" to "all acknowledged". */
  seconds: number;
  appliance: Memory;
  relay: Memory;
}

export interface GrowthResult {
  bench: 'growth';
  runs: GrowthRun[];
  /** What a further change costs among many, over what it costs among few. */
  ours: number;
  peer: 'a straight line';
  ratio: number;
  target: number;
  met: boolean;
  /** Peaks of the largest backlog over those of the one before. */
  memory: { appliance: number; relay: number; target: number };
}

/** @param sizes Three, rising. */
export async function benchGrowth(
  sizes: readonly [number, number, number],
  report: (line: string) => void,
): Promise<GrowthResult> {
  const runs = [];
  for (const [place, changes] of sizes.entries()) {
    const same = [];
    for (let time = 0; time < (repeated[place] ?? 1); time++)
      same.push(await withSchoolLab({ report }, (lab) => measureGrowth(lab, changes, report)));
    runs.push(medianOf(same));
  }
  return growthOf(runs as [GrowthRun, GrowthRun, GrowthRun]);
}

/** @throws when the two sides end unequal. */
export async function measureGrowth(
  lab: Lab,
  changes: number,
  report: (line: string) => void,
): Promise<GrowthRun> {
  return await onBothSides(lab, async (site) => {
    const pending = async () => (await boxStatus(lab)).sync.pendingTransactions;
    await commitBacklog(site.campusSide, morningChanges, morning);
    await until(() => holdsMarker(site.cloudSide, morning), { limitMs });
    await until(async () => (await pending()) === 0, { limitMs });
    await lab.cable.cut({ refuse: true });
    await commitBacklog(site.campusSide, changes, afterMorning);
    await until(async () => (await pending()) === Math.floor(changes / 2) + 1, { limitMs });
    await sleep(quietMs);
    await atRest(await pidOf(lab, 'appliance'));
    const startedAt = performance.now();
    await lab.cable.heal();
    // First the question that costs the box nothing.
    await until(() => holdsMarker(site.cloudSide, afterMorning), { pollMs, limitMs });
    await until(async () => (await pending()) === 0, { pollMs, limitMs });
    const seconds = (performance.now() - startedAt) / 1000;
    await requireEqual(site);
    const run = {
      changes,
      seconds,
      appliance: await memoryOf(lab, 'appliance'),
      relay: await memoryOf(lab, 'relay'),
    };
    report(`${changes} changes in ${seconds.toFixed(1)} s`);
    return run;
  });
}

/** By time. */
function medianOf(runs: readonly GrowthRun[]): GrowthRun {
  const sorted = runs.toSorted((a, b) => a.seconds - b.seconds);
  return sorted[Math.floor(sorted.length / 2)] as GrowthRun;
}

export function growthOf(runs: [GrowthRun, GrowthRun, GrowthRun]): GrowthResult {
  const [few, some, many] = runs;
  const cost = (from: GrowthRun, to: GrowthRun) => (to.seconds - from.seconds) / (to.changes - from.changes);
  const ours = cost(some, many) / cost(few, some);
  const memory = {
    appliance: many.appliance.peakBytes / some.appliance.peakBytes,
    relay: many.relay.peakBytes / some.relay.peakBytes,
    target: memoryTarget,
  };
  const linear = ours <= timeTarget && ours >= 1 / timeTarget;
  const constant = memory.appliance <= memoryTarget && memory.relay <= memoryTarget;
  return {
    bench: 'growth',
    runs,
    ours,
    peer: 'a straight line',
    ratio: ours,
    target: timeTarget,
    met: linear && constant,
    memory,
  };
}
