import { expect, test } from 'vitest';
import { due, type Job, type LastRuns, lastNight, nextNight, usualSchedule } from './schedule.ts';

const at = (text: string) => Date.parse(text);
const never: LastRuns = { dump: null, base: null, checkpoint: null, 'sync-log': null };
const jobs = (now: string, last: Partial<Record<Job, string>>) => {
  const runs = Object.fromEntries(Object.entries(last).map(([job, text]) => [job, at(text)]));
  return due(at(now), { ...never, ...runs }, usualSchedule).map(({ job }) => job);
};

test('03:00 of Douala is 02:00 UTC, in winter and in summer', () => {
  expect(lastNight(at('2026-11-23T02:00:00Z'), usualSchedule)).toBe(at('2026-11-23T02:00:00Z'));
  expect(lastNight(at('2026-07-14T01:59:59Z'), usualSchedule)).toBe(at('2026-07-13T02:00:00Z'));
  expect(nextNight(at('2026-11-23T02:00:00Z'), usualSchedule)).toBe(at('2026-11-24T02:00:00Z'));
});

test('a box that has nothing makes everything', () => {
  expect(jobs('2026-11-23T12:00:00Z', {})).toEqual(['sync-log', 'checkpoint', 'base', 'dump']);
});

const others = (now: string) => ({ base: now, checkpoint: now, 'sync-log': now });

test('a dump is due at the hour, once; a night slept through is made up after boot', () => {
  const made = '2026-11-22T02:00:10Z';
  const dumps = (now: string, last: string) => jobs(now, { ...others(now), dump: last });
  expect(dumps('2026-11-23T01:59:59Z', made)).toEqual([]);
  expect(dumps('2026-11-23T02:00:00Z', made)).toEqual(['dump']);
  expect(dumps('2026-11-23T09:30:00Z', made)).toEqual(['dump']);
  expect(dumps('2026-11-23T09:31:00Z', '2026-11-23T09:30:00Z')).toEqual([]);
  expect(dumps('2026-12-20T09:30:00Z', made)).toEqual(['dump']);
});

test('a dump made by hand in the evening does not take the place of that of the night', () => {
  const now = '2026-11-23T02:00:00Z';
  expect(jobs(now, { ...others(now), dump: '2026-11-22T20:00:00Z' })).toEqual(['dump']);
});

test('a base is made each week in the night, even if the last one took its time', () => {
  const now = (day: string) => `2026-11-${day}T02:00:01Z`;
  const bases = (day: string) =>
    jobs(now(day), {
      base: '2026-11-08T02:00:30Z',
      dump: now(day),
      checkpoint: now(day),
      'sync-log': now(day),
    });
  expect(bases('14')).toEqual([]);
  expect(bases('15')).toEqual(['base']);
});

test('a clock that was ahead and is right again does not stop backups until it is reached', () => {
  const now = '2026-11-23T12:00:00Z';
  expect(jobs(now, { ...others(now), dump: '2031-01-01T02:00:00Z' })).toEqual(['dump']);
  expect(jobs(now, { ...others(now), dump: now, base: '2031-01-01T02:00:00Z' })).toEqual(['base']);
});

test('a clock that is back in 1970 makes a backup once, since the last one is of its future, then waits', () => {
  const now = '1970-01-01T00:10:00Z';
  expect(jobs(now, { ...others(now), dump: '2026-11-22T02:00:10Z' })).toEqual(['dump']);
  expect(jobs(now, { ...others(now), dump: now })).toEqual([]);
});
