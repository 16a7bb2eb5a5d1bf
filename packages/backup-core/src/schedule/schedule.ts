/**
 * When a backup is due: a pure function of now, of what was made last and of the policy.
 *
 * A nightly dump is due when none was made since the last 03:00 of the policy's calendar, so a night that the box slept through
 * is made up after boot. A base is due a week after the last one, at the same hour; a checkpoint of the manifest daily.
 *
 * A clock gone wrong: when the last one was made in the future, the clock was set back since, or was wrong then: one is made
 * now, and the schedule goes on from there.
 */

export interface SchedulePolicy {
  /** Of the calendar that hours are counted in: Africa/Douala has no summer time. */
  readonly utcOffsetMinutes: number;
  readonly dumpAtMinutes: number;
  readonly baseEveryDays: number;
  readonly checkpointEveryHours: number;
  readonly syncLogEveryMinutes: number;
}

export const usualSchedule: SchedulePolicy = {
  utcOffsetMinutes: 60,
  dumpAtMinutes: 3 * 60,
  baseEveryDays: 7,
  checkpointEveryHours: 24,
  syncLogEveryMinutes: 1,
};

export type Job = 'dump' | 'base' | 'checkpoint' | 'sync-log';

/** When the last one of each was begun that ended well, ms since 1970; null: never. */
export type LastRuns = Readonly<Record<Job, number | null>>;

export interface Due {
  readonly job: Job;
  readonly why: string;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The jobs to begin now, the most urgent first. */
export function due(now: number, last: LastRuns, policy: SchedulePolicy): Due[] {
  const jobs: Due[] = [];
  const every = (job: Job, ms: number) => {
    const at = last[job];
    if (at === null) jobs.push({ job, why: 'none was made yet' });
    else if (isFuture(at, now))
      jobs.push({ job, why: `the last one says ${iso(at)}, which is still to come` });
    else if (now - at >= ms) jobs.push({ job, why: `the last one is of ${iso(at)}` });
  };
  every('sync-log', policy.syncLogEveryMinutes * MINUTE_MS);
  every('checkpoint', policy.checkpointEveryHours * HOUR_MS);
  const night = lastNight(now, policy);
  if (last.base === null || isFuture(last.base, now)) every('base', 0);
  else if (night - last.base > (policy.baseEveryDays - 1) * DAY_MS) every('base', 0);
  if (last.dump === null || isFuture(last.dump, now)) every('dump', 0);
  else if (last.dump < night) jobs.push({ job: 'dump', why: `none was made since ${iso(night)}` });
  return jobs;
}

/** The last time that the clock of the calendar showed the hour of the dump. */
export function lastNight(now: number, { utcOffsetMinutes, dumpAtMinutes }: SchedulePolicy): number {
  const shift = (utcOffsetMinutes - dumpAtMinutes) * MINUTE_MS;
  return Math.floor((now + shift) / DAY_MS) * DAY_MS - shift;
}

export function nextNight(now: number, policy: SchedulePolicy): number {
  return lastNight(now, policy) + DAY_MS;
}

/** A little is what clocks are set by. */
function isFuture(at: number, now: number): boolean {
  return at > now + HOUR_MS;
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
