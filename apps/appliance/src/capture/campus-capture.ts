/**
 * Capture on campus: the WAL of the campus's Postgres into the sync log, for as long as the box runs. A failure is said, repaired
 * where nothing can be lost by it, and followed by another beginning.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Capture, type CaptureSink, isApplyOrigin, type WatchedCatalog } from '@skooly-edge/sync-protocol';
import type { Logger } from 'pino';
import type { Repair } from '../repair/repair.ts';

const captureRestartDelayMs = 500;

export function campusCapture(databaseUrl: string, catalog: WatchedCatalog, sink: CaptureSink): Capture {
  return new Capture({
    connectionString: databaseUrl,
    applicationName: 'skooly-edge capture',
    sink,
    skipOrigin: isApplyOrigin(databaseUrl),
    table: (name) => {
      const table = catalog.current.tables.get(name);
      // Capture begins anew after this, and finds a table that a migration has just made.
      if (!table) void catalog.refresh().catch(() => {});
      if (!table) throw new Error(`the publication has ${name}, which the sync map does not name`);
      return { keyColumns: table.keyColumns, by: table.rule.by };
    },
  });
}

/** Runs until the signal aborts. @param onProblem Told in one sentence why local changes are not being read. */
export async function keepCapturing(
  capture: Capture,
  repair: Repair,
  logger: Logger,
  signal: AbortSignal,
  onProblem: (problem: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await repair.beforeCapture();
      await capture.run(signal);
    } catch (error) {
      if (signal.aborted) break;
      logger.warn({ err: error }, 'capture stopped, starts again');
      await repair.lostSlot(error).catch((cause) => logger.warn({ err: cause }, 'no slot could be made'));
      const { message, advice = '' } = error as Error & { advice?: string };
      onProblem(`${message} ${advice}`.trim());
    }
    await sleep(captureRestartDelayMs, undefined, { signal }).catch(() => {});
  }
}
