import { connectControl } from '../control/client.ts';
import { type LedgerReport, runSchoolDay, verifyLedger } from '../day/day.ts';
import { LabError } from '../errors.ts';
import { seededRandom } from '../seeded-random.ts';
import type { LabStatus } from '../world/status.ts';
import { compareLab } from './verify.ts';

const PROGRESS_MS = 5_000;
const REST_WAIT_S = 300;

interface DayOptions {
  readonly dir: string;
  readonly minutes: number;
  readonly seedNumber: number;
}

/** The day, the rest after it, and the ledger held against both sites. Exit code 1 when a write is lost or the sites differ. */
export async function runDay({ dir, minutes, seedNumber }: DayOptions): Promise<void> {
  const { cloud, campus } = (await connectControl(dir)('GET', '/status')) as LabStatus;
  if (cloud.skooly === null) {
    throw new LabError(
      'OPTION_INVALID',
      'A school day needs Skooly, and this lab runs another database.',
      'Use a lab without --database.',
    );
  }
  const end = new AbortController();
  const stop = () => end.abort();
  process.on('SIGINT', stop).on('SIGTERM', stop);
  let nextReport = Date.now() + PROGRESS_MS;
  const ledger = await runSchoolDay({
    gatewayUrl: campus.gateway,
    cloudUrl: cloud.skooly,
    campus: campus.id,
    minutes,
    random: seededRandom(seedNumber),
    signal: end.signal,
    report: ({ done, total, what }) => {
      if (Date.now() < nextReport && done < total) return;
      nextReport = Date.now() + PROGRESS_MS;
      console.log(`  ${done} of ${total}: ${what}`);
    },
  });
  process.off('SIGINT', stop).off('SIGTERM', stop);
  console.log('The day is over; waiting until both sides are at rest.');
  const comparison = await compareLab(dir, REST_WAIT_S);
  const report = await verifyLedger(ledger, {
    cloudDatabaseUrl: cloud.postgres,
    campusDatabaseUrl: campus.postgres,
  });
  for (const line of dayLines(report)) console.log(line);
  console.log(
    comparison.equal
      ? `Both sides are equal: ${comparison.rows} rows.`
      : 'The sides are NOT equal: npm run lab -- verify',
  );
  if (!report.ok || !comparison.equal) process.exitCode = 1;
}

function dayLines(report: LedgerReport): string[] {
  const kinds = Object.entries(report.acknowledged).map(([kind, count]) => `${count} ${kind}`);
  return [
    `Acknowledged: ${kinds.join(', ')}; uncertain: ${report.uncertain}; settled by a conflict: ${report.settledByConflict}.`,
    ...report.firstDifferences.map((difference) => JSON.stringify(difference)),
    report.ok
      ? 'Every acknowledged write is found on both sides.'
      : `${report.differences} writes are NOT as acknowledged.`,
  ];
}
