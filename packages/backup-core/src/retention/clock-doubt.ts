import type { RetentionPolicy } from './policy.ts';

export interface ClockEvidence {
  /** When retention ran before, by this clock. Null: never, or not known. */
  readonly lastRunAt: Date | null;
  /** How long that is by a clock that no one sets. Null: the machine was started since. */
  readonly elapsedMs: number | null;
}

/** How far the two clocks may differ between two runs. */
const DRIFT_MS = 10 * 60_000;

/** Why this clock is not trusted with removals; null when nothing speaks against it. */
export function clockDoubt(
  now: number,
  newestSealed: number | undefined,
  { lastRunAt, elapsedMs }: ClockEvidence,
  policy: RetentionPolicy,
): string | null {
  if (newestSealed === undefined) return 'there is no signed object to hold the clock against';
  if (now < newestSealed - policy.clockBehindMs)
    return `the clock is behind the newest signed object by ${hours(newestSealed - now)}`;
  if (now > newestSealed + policy.clockAheadMs)
    return `the clock is ahead of the newest signed object by ${hours(now - newestSealed)}`;
  if (lastRunAt === null) return null;
  const since = now - lastRunAt.getTime();
  if (since < 0) return `the clock went back by ${hours(-since)} since the last run`;
  if (elapsedMs !== null && Math.abs(since - elapsedMs) > DRIFT_MS)
    return `the clock was set by ${hours(since - elapsedMs)} since the last run`;
  if (since > policy.clockAheadMs) return `the clock is ${hours(since)} past the last run`;
  return null;
}

function hours(ms: number): string {
  return `${(ms / 3_600_000).toFixed(1)} h`;
}
