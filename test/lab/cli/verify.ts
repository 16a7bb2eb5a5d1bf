import { connectControl, runningState } from '../control/client.ts';
import { compareCampuses, type WholeComparison } from '../verify/several.ts';
import type { Comparison } from '../verify/verify.ts';
import { programs } from '../world/layout.ts';
import { otherDatabase } from '../world/other-database.ts';
import type { LabStatus } from '../world/status.ts';

/** Exit code 1 when there is a difference. */
export async function runVerify({
  dir,
  json = false,
  wait,
}: {
  dir: string;
  json?: boolean;
  wait: number;
}): Promise<void> {
  const comparison = await compareLab(dir, wait);
  const lines = comparison.campuses.flatMap((one) => [
    ...(comparison.campuses.length === 1 ? [] : ['', one.campus]),
    ...comparisonLines(one),
  ]);
  console.log(json ? JSON.stringify(comparison, null, 2) : lines.join('\n'));
  if (!comparison.equal) process.exitCode = 1;
}

/** Compares in this process, over the addresses of the lab that is up. */
export async function compareLab(dir: string, waitSeconds: number): Promise<WholeComparison> {
  const { cloud, campuses } = (await connectControl(dir)('GET', '/status')) as LabStatus;
  const database = runningState(dir)?.database ?? null;
  return await compareCampuses(
    campuses.map((campus) => ({ cloud, campus })),
    {
      syncMapFile: database === null ? programs.skoolySyncMap : otherDatabase(database).syncMap,
      waitSeconds,
    },
  );
}

function comparisonLines({ equal, tables, rows, differences, pendingTransactions }: Comparison): string[] {
  const pending = pendingTransactions === null ? 'unknown' : pendingTransactions;
  return [
    `${'table'.padEnd(28)}${'campus'.padStart(10)}${'cloud'.padStart(10)}${'differing'.padStart(12)}`,
    ...tables.map(
      ({ table, campusRows, cloudRows, differing }) =>
        `${table.padEnd(28)}${String(campusRows).padStart(10)}${String(cloudRows).padStart(10)}${String(differing).padStart(12)}`,
    ),
    '',
    ...differences.map((difference) => JSON.stringify(difference)),
    equal ? `Equal: ${rows} rows.` : `NOT equal (pending on campus: ${pending}).`,
  ];
}
