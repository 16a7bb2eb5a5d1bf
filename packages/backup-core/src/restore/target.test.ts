import { expect, test } from 'vitest';
import { describeMoment, readTarget, readTime } from './target.ts';

test.each([
  ['2026-11-23T09:31:59Z', '2026-11-23 09:31:59.000000+00'],
  ['2026-11-23 10:31:59 Africa/Douala', '2026-11-23 09:31:59.000000+00'],
  ['2026-11-23 10:31:59.123456+01:00', '2026-11-23 09:31:59.123456+00'],
  ['2026-11-23 04:31-0500', '2026-11-23 09:31:00.000000+00'],
  ['2026-07-01 12:00 Europe/Paris', '2026-07-01 10:00:00.000000+00'],
  ['2026-12-01 12:00 Europe/Paris', '2026-12-01 11:00:00.000000+00'],
  ['2026-11-23 00:15 Africa/Douala', '2026-11-22 23:15:00.000000+00'],
])('%s is %s', (text, utc) => {
  expect(readTime(text).text).toBe(utc);
});

test.each([
  ['2026-11-23 10:31:59', 'has no zone'],
  ['2026-11-23', 'not read as a moment'],
  ['yesterday', 'not read as a moment'],
  ['2026-02-30 10:00Z', 'no day or time of the calendar'],
  ['2026-11-23 25:00Z', 'no day or time of the calendar'],
  ['2026-11-23 10:00 Africa/Yaounde2', 'not read as a moment'],
  ['2026-11-23 10:00 Africa/Nowhere', 'no zone'],
  ['2026-10-25 02:30 Europe/Paris', 'was twice'],
  ['2026-03-29 02:30 Europe/Paris', 'does not exist'],
  ['2026-11-23 10:00+19:00', 'no offset'],
])('%s is refused: %s', (text, words) => {
  expect(() => readTime(text)).toThrow(
    expect.objectContaining({ code: 'RESTORE_TARGET_INVALID', message: expect.stringContaining(words) }),
  );
});

test('a moment is echoed in UTC and in Douala', () => {
  expect(describeMoment(Date.parse('2026-11-23T23:31:59Z'))).toBe(
    '2026-11-23 23:31:59 UTC = 2026-11-24 00:31:59 Africa/Douala',
  );
});

test('exactly one target is taken', () => {
  expect(readTarget({ lsn: '0/3000060' })).toEqual({ kind: 'lsn', lsn: '0/3000060' });
  expect(readTarget({ latest: true })).toEqual({ kind: 'latest' });
  expect(() => readTarget({})).toThrow('exactly one');
  expect(() => readTarget({ latest: true, lsn: '0/1' })).toThrow('exactly one');
  expect(() => readTarget({ lsn: '12' })).toThrow('no position');
});
