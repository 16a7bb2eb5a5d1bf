/**
 * A stretch: as much of one boot as one base explains. The monotonic clock drifts by seconds a day when nothing disciplines
 * it, and stands still while the machine sleeps. So when an exchange with the cloud shows that the base has moved, or may have,
 * the stretch ends, and what was committed in it is dated with an error that spans both; the next one begins with the new base.
 */

/** One exchange with the cloud: its clock showed `cloud` at some moment between `sent` and `received`. Microseconds. */
export interface Exchange {
  sent: number;
  received: number;
  cloud: number;
}

export interface Measurement {
  /** Real time at which the monotonic clock stood at zero. */
  base: number;
  error: number;
  /** When on the monotonic clock it was taken. */
  mono: number;
}

/** A wall clock and a monotonic clock read at the same moment. */
export interface Reading {
  wall: number;
  mono: number;
}

export interface Stretch {
  boot: string;
  /** From 1 within its boot. */
  part: number;
  /** The best recent exchange. Null: none in this boot yet. */
  measured: Measurement | null;
  /** What was known of the base where the stretch begins. */
  since: Measurement | null;
  /** The boot did not begin before this: the high-water mark of trusted time when it was first seen. */
  earliest: number;
  first: Reading;
  last: Reading;
  /** The monotonic time of the last commit that was placed in it. */
  lastCommit: number | null;
}

/** A crystal that nobody disciplines is off by less than this. */
const driftPerMicrosecond = 100e-6;

/** A stretch ends when its base may have wandered by more. */
const mostWanderUs = 250_000;

/** The relay tells whole milliseconds, cut off; so are the times of commits. */
const resolutionUs = 1_000;

export function stretchName({ boot, part }: Stretch): string {
  return `${boot}.${part}`;
}

export function measure({ sent, received, cloud }: Exchange): Measurement {
  const middle = (sent + received) / 2;
  return {
    base: Math.round(cloud + resolutionUs / 2 - middle),
    error: Math.ceil((received - sent + resolutionUs) / 2) + resolutionUs,
    mono: received,
  };
}

/** What an exchange makes of a stretch: the stretch as it is to be kept, and the one that begins, if it ends. */
export function afterExchange(
  stretch: Stretch,
  fresh: Measurement,
  now: Reading,
): { kept: Stretch; begun: Stretch | null } {
  if (!stretch.measured || !stretch.since) {
    // Nothing was known until now: what was committed since the boot may have drifted from what is true now.
    const since = { base: fresh.base, error: fresh.error + driftOver(fresh.mono), mono: 0 };
    if (driftOver(fresh.mono) > mostWanderUs)
      return split(stretch, { ...since, mono: fresh.mono }, fresh, now);
    return { kept: { ...stretch, since, measured: fresh }, begun: null };
  }
  const { since, measured } = stretch;
  if (!agree(measured, fresh) || wander(since, fresh) > mostWanderUs) {
    const before = { ...measured, error: measured.error + wander(since, measured) };
    return split(stretch, spanning(before, fresh), fresh, now);
  }
  const better = fresh.error <= measured.error + driftOver(fresh.mono - measured.mono);
  return { kept: better ? { ...stretch, measured: fresh } : stretch, begun: null };
}

/** How far the base may be from the truth, for any commit of the stretch. */
export function errorOf({ since, measured, last }: Stretch): number | null {
  if (!since || !measured) return null;
  const sinceThen = driftOver(Math.max(0, last.mono - measured.mono));
  return measured.error + wander(since, measured) + sinceThen;
}

/** The latest time that surely had been reached when the stretch was last seen. */
export function trustedUntil(stretch: Stretch): number {
  const { measured, earliest, last } = stretch;
  if (!measured) return earliest + last.mono - driftOver(last.mono);
  return Math.max(0, measured.base - (errorOf(stretch) ?? 0)) + last.mono;
}

/** @param whole Covers the whole of the stretch that ends. */
function split(stretch: Stretch, whole: Measurement, fresh: Measurement, now: Reading) {
  const kept = { ...stretch, last: now, since: whole, measured: whole };
  const begun = {
    ...stretch,
    part: stretch.part + 1,
    since: fresh,
    measured: fresh,
    earliest: trustedUntil(kept),
    first: now,
    last: now,
  };
  return { kept, begun };
}

/** Whether drift and errors explain the difference. A machine that slept does not agree. */
function agree(one: Measurement, later: Measurement): boolean {
  const explained = one.error + later.error + driftOver(later.mono - one.mono);
  return Math.abs(one.base - later.base) <= explained;
}

/** How far the true base may have moved between the two: no further than a clock drifts, nor than they show. */
function wander(one: Measurement, later: Measurement): number {
  return Math.min(driftOver(later.mono - one.mono), Math.abs(one.base - later.base) + one.error);
}

/** Covers both, and what lies between. */
function spanning(one: Measurement, other: Measurement): Measurement {
  const low = Math.min(one.base - one.error, other.base - other.error);
  const high = Math.max(one.base + one.error, other.base + other.error);
  return { base: Math.round((low + high) / 2), error: Math.ceil((high - low) / 2), mono: other.mono };
}

/** How far the monotonic clock may be off after running for so long. */
export function driftOver(elapsedUs: number): number {
  return Math.ceil(driftPerMicrosecond * elapsedUs);
}
