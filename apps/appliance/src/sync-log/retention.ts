/**
 * How long the log keeps what the cloud has acknowledged: EDGE_LOG_KEEP_DAYS, within EDGE_LOG_BUDGET_BYTES. Beyond the
 * budget, or when the disk runs short, the oldest goes earlier, but never what is younger than a day: that is what a restore
 * of the cloud is likely to lose. What is pending is never removed; if that alone is beyond the budget, the log says so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { SyncLog } from './sync-log.ts';
import type { LogUsage } from './trimming.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export const defaultKeepDays = 35;

/**
 * Seven times what the school of `--seed school` needs: see `daysThatFit` and its test for the computation.
 */
export const defaultBudgetBytes = 1024 * 1024 * 1024;

/** Younger than this stays, whatever the disk says. */
export const floorMs = dayMs;

/** Of the log's lock, a few milliseconds. */
const rowsPerSlice = 500;
const pagesPerSlice = 256;
const pauseMs = 10;

export interface RetentionSettings {
  keepMs: number;
  budgetBytes: number;
}

export const defaultRetention: RetentionSettings = {
  keepMs: defaultKeepDays * dayMs,
  budgetBytes: defaultBudgetBytes,
};

export interface Cut {
  /** What was acknowledged or received by then goes. */
  notedByMs: number;
  reason: 'age' | 'budget' | 'disk';
}

/** What is to be removed next; null when everything is to stay. */
export function nextCut(
  usage: LogUsage,
  settings: RetentionSettings,
  { nowMs, diskIsShort }: { nowMs: number | null; diskIsShort: boolean },
): Cut | null {
  const { oldestMs, usedBytes } = usage;
  // Without a clock that can be trusted nothing is old.
  if (nowMs === null || oldestMs === null) return null;
  if (oldestMs <= nowMs - settings.keepMs) return { notedByMs: nowMs - settings.keepMs, reason: 'age' };
  const overBudget = usedBytes > settings.budgetBytes;
  if ((!overBudget && !diskIsShort) || oldestMs > nowMs - floorMs) return null;
  const notedByMs = Math.min(oldestMs + hourMs, nowMs - floorMs);
  return { notedByMs, reason: overBudget ? 'budget' : 'disk' };
}

/** How many days fit: `offlineDays` pending, and before them what was acknowledged. */
export function daysThatFit(budgetBytes: number, bytesPerDay: number): number {
  return Math.floor(budgetBytes / bytesPerDay);
}

export interface LogKeeperOptions {
  log: SyncLog;
  settings: RetentionSettings;
  logger: Logger;
  /** Milliseconds since 1970-01-01 UTC; null while the clock cannot be trusted. */
  now(): number | null;
  intervalMs: number;
  /** Whether the disk has so little room that acknowledged transactions have to go early. */
  diskIsShort(): boolean;
}

/** Runs until the signal aborts. A failure is logged; the next round tries again. */
export async function keepLog(options: LogKeeperOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await tidy(options, signal);
    } catch (error) {
      if (!signal.aborted) options.logger.warn({ err: error }, 'the log could not be trimmed');
    }
    await sleep(options.intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** One round: everything that is due, slice by slice. @returns how many rows were removed. */
export async function tidy(
  { log, settings, logger, now, diskIsShort }: Omit<LogKeeperOptions, 'intervalMs'>,
  signal: AbortSignal,
): Promise<number> {
  let removed = 0;
  const reasons = new Set<Cut['reason']>();
  const nowMs = now();
  if (nowMs !== null) log.dateKept(nowMs);
  while (!signal.aborted) {
    const cut = nextCut(log.usage(), settings, { nowMs, diskIsShort: diskIsShort() });
    if (!cut) break;
    const rows = log.trimSlice(cut.notedByMs, rowsPerSlice);
    if (rows === 0) break;
    removed += rows;
    reasons.add(cut.reason);
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
  if (removed > 0) logger.info({ removed, reasons: [...reasons] }, 'acknowledged transactions were removed');
  while (!signal.aborted && log.releaseSlice(pagesPerSlice)) {
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
  return removed;
}
