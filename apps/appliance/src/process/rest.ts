/**
 * Gives memory back when the work is done. A process that has worked keeps what it needed then, on the chance that it needs it again;
 * a box works for minutes and rests for hours. So after work, once the process has been quiet for a while, garbage is collected as
 * thoroughly as V8 can.
 *
 * Work and rest are told by processor time, whatever room it was spent in. Where V8 offers no collection, nothing happens.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const lookMs = 5_000;
/** Shares of a processor. Between the two it is neither. */
const workShare = 0.2;
const quietShare = 0.1;
/** So many quiet looks in a row. */
const quietLooks = 4;

export interface RestOptions {
  /** Processor time that the process has used, in milliseconds. */
  cpuMs(): number;
  monotonicMs(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
  collect(): void;
}

export async function tidyAtRest(options: RestOptions, signal: AbortSignal): Promise<void> {
  const { cpuMs, monotonicMs, pause, collect } = options;
  // A start is work.
  let worked = true;
  let quiet = 0;
  let before = { cpu: cpuMs(), at: monotonicMs() };
  while (!signal.aborted) {
    await pause(lookMs, signal);
    const now = { cpu: cpuMs(), at: monotonicMs() };
    const share = (now.cpu - before.cpu) / Math.max(1, now.at - before.at);
    before = now;
    if (share >= workShare) worked = true;
    quiet = share <= quietShare ? quiet + 1 : 0;
    if (!worked || quiet < quietLooks) continue;
    collect();
    worked = false;
    // What the collection itself took is no work.
    before = { cpu: cpuMs(), at: monotonicMs() };
  }
}

type Collector = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

export const thisProcess: RestOptions = {
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  monotonicMs: () => performance.now(),
  pause: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
  collect: () =>
    (globalThis as { gc?: Collector }).gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
};
