/**
 * What the stretches together tell of each: a measured one is known to within its error. One that never met the cloud lies
 * between its neighbours, since boots follow one another, and each lasted at least as long as its monotonic clock was seen to run.
 * So a box that ran day and night but for short power cuts is bounded closely, however wrong its wall clock was.
 */
import type { BootTime, BootTimes } from '@skooly-edge/sync-protocol';
import { driftOver, errorOf, type Stretch, stretchName } from './stretch.ts';

/**
 * @param stretches In the order in which they were.
 * @returns by name. The boot that runs, if it is not measured, has no latest.
 */
export function bootTimes(stretches: readonly Stretch[]): BootTimes {
  const times: Record<string, BootTime> = {};
  let nextBegan: number | null = null;
  for (const stretch of stretches.toReversed()) {
    const time: BootTime = stretch.measured
      ? measuredTime(stretch, stretch.measured.base)
      : bounded(stretch, nextBegan);
    times[stretchName(stretch)] = time;
    nextBegan = time.latest;
  }
  return times;
}

function measuredTime(stretch: Stretch, base: number): BootTime {
  const error = errorOf(stretch) ?? 0;
  return {
    base: Math.max(0, base),
    earliest: Math.max(0, base - error),
    latest: Math.max(0, base + error),
  };
}

function bounded({ earliest, last }: Stretch, nextBegan: number | null): BootTime {
  const drift = driftOver(last.mono);
  const least = Math.max(0, earliest - drift);
  const latest = nextBegan === null ? null : Math.max(least, nextBegan - last.mono + drift);
  return { base: null, earliest: least, latest };
}
