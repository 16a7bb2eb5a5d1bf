import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../errors.ts';
import { askAppliance } from './status.ts';

const POLL_MS = 100;
const PROGRESS_MS = 5_000;
const TIMEOUT_MS = 30 * 60_000;

/** Waits until the appliance has copied the cloud's rows, and says every few seconds how far it is. */
export async function waitForRows(
  adminUrl: string,
  { signal, report }: { signal: AbortSignal; report: (line: string) => void },
): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  let nextProgress = Date.now() + PROGRESS_MS;
  while (Date.now() < deadline) {
    const sync = (await askAppliance(adminUrl))?.sync;
    if (sync?.ready) return;
    if (Date.now() > nextProgress) {
      nextProgress += PROGRESS_MS;
      const { table = 'waiting', tablesDone = 0, tablesTotal = 0, rows = 0 } = sync?.seeding ?? {};
      report(`    … ${table}, ${tablesDone} of ${tablesTotal} tables, ${rows} rows`);
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
  throw new LabError(
    'STEP_FAILED',
    'The campus did not get its rows from the cloud.',
    'See logs/appliance.log and logs/relay.log.',
  );
}
