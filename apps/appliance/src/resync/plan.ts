/** What a run would do, summed from the differences that it would repair. Bytes are the text of the rows, uncompressed. */
import type { DecidedDifference } from './decide.ts';
import { type ResyncMode, repairs } from './difference.ts';
import type { Plan } from './report.ts';

export type PlanTable = Plan['tables'][number];

export function emptyTable(table: string, rows: number): PlanTable {
  const none = () => ({ rows: 0, bytes: 0 });
  const counts = Object.fromEntries(repairs.map((name) => [name, 0])) as PlanTable['repairs'];
  return { table, rows, differences: 0, toCloud: none(), toCampus: none(), conflicts: 0, repairs: counts };
}

/** Counts the difference in. */
export function addToPlan(plan: PlanTable, { repair, campus, cloud }: DecidedDifference): void {
  const [ours, theirs] = [campus?.bytes ?? 0, cloud?.bytes ?? 0];
  plan.differences++;
  plan.repairs[repair] = (plan.repairs[repair] ?? 0) + 1;
  const up = (bytes: number) => {
    plan.toCloud.rows++;
    plan.toCloud.bytes += bytes;
  };
  const down = (bytes: number) => {
    plan.toCampus.rows++;
    plan.toCampus.bytes += bytes;
  };
  switch (repair) {
    case 'offer':
      up(ours);
      // What the merge settles comes back whole.
      if (cloud) down(Math.max(ours, theirs));
      break;
    case 'overwrite':
      up(ours + theirs);
      plan.toCampus.bytes += theirs;
      break;
    case 'remove':
      up(theirs);
      plan.toCampus.bytes += theirs;
      break;
    case 'repeat_delete':
      up(theirs);
      break;
    case 'correct':
      down(theirs);
      // What is overwritten goes up to be kept.
      plan.toCloud.bytes += ours;
  }
  const kept = repair === 'correct' ? campus !== null : repair === 'remove';
  if ((campus && cloud) || kept) plan.conflicts++;
}

export function sumUp(
  mode: ResyncMode,
  tables: PlanTable[],
  line: { bytes: number; bytesPerSecond: number | null },
): Plan {
  const bytes = tables.reduce((sum, { toCloud, toCampus }) => sum + toCloud.bytes + toCampus.bytes, 0);
  const { bytesPerSecond } = line;
  const seconds = bytesPerSecond ? Math.round((bytes / bytesPerSecond) * 10) / 10 : null;
  return { mode, tables, bytes, seconds, bytesPerSecond, comparedBytes: line.bytes };
}
