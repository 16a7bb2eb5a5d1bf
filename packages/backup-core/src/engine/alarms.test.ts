import { expect, test } from 'vitest';
import { alarmsOf, type Standing } from './alarms.ts';

const now = Date.parse('2026-11-23T12:00:00Z');
const minute = 60_000;
const well: Standing = {
  now,
  rpoMs: 60_000,
  rpoLimitMs: 5 * minute,
  runningSinceMs: now - 600 * minute,
  gaps: 0,
  lastDumpMs: now - 9 * 60 * minute,
  spoolLevel: 'roomy',
  regions: [{ region: 'paris', trouble: null }],
  server: { error: null, settings: [] },
  walRefused: null,
  manifestError: null,
  keys: [{ userId: 'Admin', expires: null }],
};
const codes = (change: Partial<Standing>) => alarmsOf({ ...well, ...change }).map(({ code }) => code);

test('nothing is said while all is well', () => {
  expect(codes({})).toEqual([]);
});

test('each thing that is wrong has its alarm', () => {
  expect(codes({ rpoMs: 6 * minute })).toEqual(['RPO_EXCEEDED']);
  expect(codes({ rpoMs: null })).toEqual(['NOTHING_RESTORABLE']);
  expect(codes({ gaps: 1 })).toEqual(['WAL_GAP']);
  expect(codes({ lastDumpMs: now - 31 * 60 * minute })).toEqual(['DUMP_MISSING']);
  expect(codes({ spoolLevel: 'warn' })).toEqual(['SPOOL_FILLING']);
  expect(codes({ spoolLevel: 'full' })).toEqual(['ARCHIVE_STOPPED']);
  expect(codes({ server: { error: 'refused', settings: [] } })).toEqual(['SERVER_UNREACHABLE']);
  expect(codes({ walRefused: 'it differs' })).toEqual(['WAL_REFUSED']);
  expect(codes({ manifestError: 'two writers' })).toEqual(['MANIFEST_TROUBLE']);
  expect(codes({ keys: [{ userId: 'Admin', expires: new Date(now + 86_400_000) }] })).toEqual([
    'KEY_EXPIRES',
  ]);
  const setting = { setting: 'archive_mode', found: 'off', wanted: 'on' };
  expect(codes({ server: { error: null, settings: [setting] } })).toEqual(['ARCHIVE_SETTINGS']);
});

test('a region that may come back by itself is watched, one whose credentials fail needs somebody', () => {
  const trouble = {
    code: 'REGION_UNREACHABLE',
    message: 'Region paris is silent.',
    advice: '',
    sinceMs: now,
  } as const;
  const levels = (mayPass: boolean) =>
    alarmsOf({ ...well, regions: [{ region: 'paris', trouble: { ...trouble, mayPass } }] })[0]?.level;
  expect([levels(true), levels(false)]).toEqual(['watch', 'act']);
});

test('what was never made yet is no alarm in the first minutes', () => {
  expect(codes({ runningSinceMs: now - minute, rpoMs: null, lastDumpMs: null })).toEqual([]);
});

test('every alarm is said in both languages', () => {
  for (const { fr, en } of alarmsOf({
    ...well,
    rpoMs: null,
    gaps: 2,
    spoolLevel: 'tight',
    walRefused: 'x',
  })) {
    expect(fr.length).toBeGreaterThan(20);
    expect(en.length).toBeGreaterThan(20);
    expect(fr).not.toBe(en);
  }
});
