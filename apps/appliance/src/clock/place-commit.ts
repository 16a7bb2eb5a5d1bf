/**
 * Where on the monotonic clock a commit lies. Postgres tells its time by the wall clock, a moment before capture sees it; how
 * long ago that was, by the same wall clock, is taken from the monotonic time of now.
 *
 * The wall clock may have jumped in that moment, so the result is held between the commit before it and now. After a power cut
 * the first commits to be captured may be those of the boot before.
 */
import type { Reading } from './stretch.ts';

export interface PlaceView {
  now: Reading;
  /** Monotonic time of the commit placed before, in this boot; 0 when there is none. */
  floor: number;
  /** The boot before this one, while no commit of this one has been placed. */
  before: { first: Reading; last: Reading; floor: number } | null;
}

export interface Place {
  boot: 'this' | 'before';
  mono: number;
}

/** The two clocks are not read in the same instant as Postgres reads its own. */
const slackUs = 1_000_000;

export function placeCommit(committedAt: number, { now, floor, before }: PlaceView): Place {
  const mono = wholeMs(now.mono - (now.wall - committedAt));
  const inThisBoot = mono >= 0 && mono <= now.mono + slackUs;
  if (!inThisBoot && before && committedAt >= before.first.wall) {
    const then = wholeMs(before.last.mono + (committedAt - before.last.wall));
    return { boot: 'before', mono: Math.max(before.floor, then) };
  }
  return { boot: 'this', mono: Math.max(floor, Math.min(mono, wholeMs(now.mono))) };
}

/** The wall clock is not read more closely, and digits that say nothing cost bytes on every transaction. */
function wholeMs(us: number): number {
  return Math.floor(us / 1_000) * 1_000;
}
