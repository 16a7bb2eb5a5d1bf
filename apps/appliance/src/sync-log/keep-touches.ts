/**
 * What the log's transactions touched (`touches.ts`) is made, and removed when it was forgotten, while nobody writes and nothing is
 * acknowledged: in slices of a few milliseconds, since users are served on the same thread. Where nobody ever rests, what lacks
 * is kept within bounds all the same, so that the follower's next question does not wait for it.
 */
import type { Logger } from 'pino';
import type { SyncLog } from './sync-log.ts';

/** Nothing written and nothing acknowledged for so long: nobody needs the processor. */
const quietMs = 1_000;

/** About half a second's work. Beyond it nobody's rest is waited for. */
const maxUntouched = 30_000;

/** A few milliseconds of the thread. */
const bytesPerSlice = 128 * 1024;
const rowsPerSlice = 1_000;
const pauseMs = 10;

export interface TouchKeeperOptions {
  log: Pick<SyncLog, 'stirred' | 'untouched' | 'touchSlice'>;
  logger: Logger;
  pause(ms: number, signal: AbortSignal): Promise<unknown>;
}

/** Runs until the signal aborts. A failure is logged; the next quiet moment tries again. */
export async function keepTouches(
  { log, logger, pause }: TouchKeeperOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const { stirred } = log;
    await pause(quietMs, signal).catch(() => {});
    const mayGoOn = () => !signal.aborted && (log.stirred === stirred || log.untouched > maxUntouched);
    try {
      while (mayGoOn() && log.touchSlice(bytesPerSlice, rowsPerSlice))
        await pause(pauseMs, signal).catch(() => {});
    } catch (error) {
      logger.warn({ err: error }, 'what the log touched could not be brought up to date');
    }
  }
}
