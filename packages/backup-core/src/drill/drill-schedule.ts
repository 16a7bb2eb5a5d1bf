import type { Proof } from './proof.ts';

export interface DrillPolicy {
  /** Between two drills of a kind. */
  readonly everyMs: number;
  /** How long one may be late before it is an alarm. */
  readonly graceMs: number;
}

const DAY_MS = 24 * 3_600_000;
export const usualDrills: Readonly<Record<Proof['kind'], DrillPolicy>> = {
  base: { everyMs: 7 * DAY_MS, graceMs: 2 * DAY_MS },
  dump: { everyMs: 30 * DAY_MS, graceMs: 5 * DAY_MS },
};

export interface DrillState {
  readonly kind: Proof['kind'];
  readonly next: Date;
  /** The region that is due: the one whose last passed drill is oldest. */
  readonly region: string;
  readonly last: Proof | null;
  readonly alarm: 'DRILL_FAILED' | 'DRILL_MISSING' | null;
}

/**
 * When the next drill of a kind is due, in which region, and whether its state is an alarm: the last one failed, or none has
 * passed for too long. Pure. `since`: when backups began here, so that a new site is not late on its first day.
 */
export function drillState(
  kind: Proof['kind'],
  proofs: readonly Proof[],
  regions: readonly [string, ...string[]],
  policy: DrillPolicy,
  { now, since }: { now: Date; since: Date },
): DrillState {
  const own = proofs
    .filter((proof) => proof.kind === kind)
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  const last = own.at(-1) ?? null;
  const passedAt = (region?: string) => {
    const proof = own.findLast((one) => one.passed && (region === undefined || one.region === region));
    return proof ? Date.parse(proof.at) : null;
  };
  const known = regions.map((region) => ({ region, at: passedAt(region) ?? Number.NEGATIVE_INFINITY }));
  const { region } = known.reduce((oldest, one) => (one.at < oldest.at ? one : oldest));
  const from = passedAt() ?? since.getTime();
  const failed = last !== null && !last.passed;
  const next = new Date(failed ? now : from + policy.everyMs);
  const late = now.getTime() > from + policy.everyMs + policy.graceMs;
  return { kind, next, region, last, alarm: failed ? 'DRILL_FAILED' : late ? 'DRILL_MISSING' : null };
}
