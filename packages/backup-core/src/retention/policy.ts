export interface RetentionPolicy {
  /** Rolling days in which any moment can be restored. Counted as days that have a backup too: see `edgeOf`. */
  readonly days: number;
  /** How long the first good dump of each month is kept. */
  readonly archiveYears: number;
  /** The sync log of a box outlives the longest cut, so that what a dead box had not sent is still there. */
  readonly syncLogDays: number;
  /** Offset of the calendar that days and months are counted in: Africa/Douala has no summer time. */
  readonly utcOffsetMinutes: number;
  /** How far the clock may be behind the newest signed entry. */
  readonly clockBehindMs: number;
  /** How far it may be ahead of the newest signed entry, or of the last run. */
  readonly clockAheadMs: number;
}

const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export const usualPolicy: RetentionPolicy = {
  days: 30,
  archiveYears: 10,
  syncLogDays: 120,
  utcOffsetMinutes: 60,
  clockBehindMs: HOUR_MS,
  clockAheadMs: 7 * DAY_MS,
};

/** `2026-11-23` in the policy's calendar. */
export function dayOf(ms: number, policy: RetentionPolicy): string {
  return new Date(ms + policy.utcOffsetMinutes * 60_000).toISOString().slice(0, 10);
}

/** `2026-11` in the policy's calendar. */
export function monthOf(ms: number, policy: RetentionPolicy): string {
  return dayOf(ms, policy).slice(0, 7);
}

export function yearsBefore(ms: number, years: number): number {
  const at = new Date(ms);
  at.setUTCFullYear(at.getUTCFullYear() - years);
  return at.getTime();
}
