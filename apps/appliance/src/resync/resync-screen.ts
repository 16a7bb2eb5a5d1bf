/** A plan and a run as a person reads them. */
import { bytes, count, duration } from '../cli/words.ts';
import type { ResyncMode } from './difference.ts';
import type { Plan, ResyncReport } from './report.ts';

const whoWins: Record<ResyncMode, string> = {
  policy: 'The policies of the sync map settle what differs.',
  'cloud-wins': 'The cloud wins: what this campus has otherwise is overwritten, and kept in the conflicts.',
  'campus-wins': 'This campus wins: what the cloud has otherwise is overwritten, and kept in the conflicts.',
};

const stepNames: Record<ResyncReport['step'], string> = {
  waiting: 'Waiting for the link, or until everything has been sent and read',
  compare: 'Comparing',
  repair: 'Repairing',
  verify: 'Looking once more',
  finished: 'Finished',
};

export function planScreen(plan: Plan): string {
  const differing = plan.tables.filter(({ differences }) => differences > 0);
  const rows = plan.tables.reduce((sum, table) => sum + table.rows, 0);
  const head = `Compared ${count(rows, 'row')} of ${count(plan.tables.length, 'table')}, moving ${bytes(plan.comparedBytes)}.`;
  if (differing.length === 0) return `${head}\nBoth sides are equal: there is nothing to repair.`;
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(28) : cell.padStart(18)))
      .join('')
      .trimEnd();
  const lines = differing.map((table) =>
    line([
      table.table,
      count(table.differences, 'row'),
      `${table.toCloud.rows}, ${bytes(table.toCloud.bytes)}`,
      `${table.toCampus.rows}, ${bytes(table.toCampus.bytes)}`,
      String(table.conflicts),
    ]),
  );
  const time =
    plan.seconds === null
      ? 'the link was not measured'
      : `${plan.seconds < 1 ? 'less than a second' : `about ${duration(plan.seconds)}`} at the ${bytes(plan.bytesPerSecond ?? 0)}/s of now`;
  return [
    head,
    '',
    line(['Table', 'differ', 'to the cloud', 'to the campus', 'conflicts']),
    ...lines,
    '',
    `${bytes(plan.bytes)} before compression, ${time}.`,
    whoWins[plan.mode],
  ].join('\n');
}

/** One line: where it stands. */
export function reportLine(report: ResyncReport): string {
  const { state, step, table, differences, repaired, rowsCompared, rowsTotal, problem } = report;
  if (state !== 'running') return endLine(report);
  const eta = report.etaSeconds === null ? '' : `, about ${duration(report.etaSeconds)} left`;
  const trouble = problem ? ` (${problem} It is tried again.)` : '';
  const where = table ? ` ${table}` : '';
  switch (step) {
    case 'compare':
      return `${stepNames.compare}${where}: ${rowsCompared.toLocaleString('en-GB')} of ${count(rowsTotal, 'row')}, ${differences} differ${eta}${trouble}`;
    case 'repair':
      return `${stepNames.repair}${where}: ${repaired} of ${count(differences, 'row')}${eta}${trouble}`;
    default:
      return `${stepNames[step]}${trouble}`;
  }
}

function endLine({ state, differences, remaining, repaired, bytes: moved, problem }: ResyncReport): string {
  if (state === 'failed') return `Failed: ${problem}`;
  if (state === 'cancelled') return `Cancelled: ${count(repaired, 'row')} had been repaired.`;
  if (differences === 0) return `Both sides are equal. ${bytes(moved)} moved.`;
  const left = remaining ? ` ${count(remaining, 'row')} still differ: look at the conflicts.` : '';
  return `${count(differences, 'row')} differed and were repaired; ${bytes(moved)} moved.${left}`;
}
