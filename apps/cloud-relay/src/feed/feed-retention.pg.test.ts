import { parseSyncMap, prepareSite, sessionConfig } from '@skooly-edge/sync-protocol';
import { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { feedTrimmedTo, noteFeedRead, requireKept, tidyFeed } from './feed-retention.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const signal = new AbortController().signal;
const logger = pino({ level: 'silent' });
let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createDatabase('feed_retention');
  pool = new Pool(sessionConfig(database.url, { applicationName: 'retention test' }));
  await pool.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, name text)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** A feed of 2,500 entries: a thousand a day, the first of them 41 days ago, the last today. */
beforeEach(async () => {
  await pool.query('TRUNCATE sync.feed, sync.feed_reader, sync.feed_day, sync.follower, sync.campus');
  await pool.query(`
    INSERT INTO sync.campus (campus) VALUES ('mvan');
    INSERT INTO sync.follower (campus, feed_seq, stamp_epoch, stamp_seq) VALUES ('mvan', 2500, '', 0);
    INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal)
      SELECT 'mvan', '', n, '', 0, 0, n, '{"changes":[],"corrections":[]}', '' FROM generate_series(1, 2500) n;
    INSERT INTO sync.feed_day (campus, day, at, seq)
      SELECT 'mvan', current_date - days, now() - days * interval '1 day', seq
      FROM (VALUES (41, 1000), (40, 2000), (2, 2400)) v (days, seq)`);
});

const tidy = (settings: object = {}) =>
  tidyFeed({ pool, logger, settings: { keepDays: 35, budgetBytes: 1e12, ...settings } }, signal);
async function keptFrom(): Promise<number | null> {
  const { rows } = await pool.query<{ seq: string | null }>('SELECT min(seq) AS seq FROM sync.feed');
  return rows[0]?.seq == null ? null : Number(rows[0].seq);
}

it('keeps what the campus has not read, however old it is', async () => {
  expect(await tidy()).toBe(0);
  await noteFeedRead(pool, 'mvan', 700);
  expect(await tidy()).toBe(700);
  expect([await keptFrom(), await feedTrimmedTo(pool, 'mvan')]).toEqual([701, 700]);
});

it('keeps what is younger than 35 days, though it is read', async () => {
  await noteFeedRead(pool, 'mvan', 2_500);
  expect(await tidy()).toBe(2_000);
  expect(await keptFrom()).toBe(2_001);
  expect(await tidy()).toBe(0);
});

it('tells a campus that is behind what is kept', async () => {
  await noteFeedRead(pool, 'mvan', 2_500);
  await tidy();
  await expect(requireKept(pool, 'mvan', 2_000)).resolves.toBeUndefined();
  await expect(requireKept(pool, 'mvan', 1_999)).rejects.toMatchObject({
    code: 'FEED_TRIMMED',
    details: { feedAfter: 2_000 },
  });
});

it('believes a box that was set back, and nobody who is ahead of the feed', async () => {
  await noteFeedRead(pool, 'mvan', 99_999);
  const read = async () => (await pool.query('SELECT read_seq FROM sync.feed_reader')).rows[0].read_seq;
  expect(await read()).toBe('2500');
  await noteFeedRead(pool, 'mvan', 40);
  expect(await read()).toBe('40');
  expect(await tidy()).toBe(40);
});

it('does not wait for a box that was revoked', async () => {
  await pool.query('UPDATE sync.campus SET revoked_at = now()');
  expect(await tidy()).toBe(2_000);
});

it('beyond its budget gives up the oldest, read before unread, but not the last day', async () => {
  await noteFeedRead(pool, 'mvan', 2_100);
  expect(await tidy({ budgetBytes: 1 })).toBe(2_400);
  expect(await keptFrom()).toBe(2_401);
});

it('beyond its budget stops as soon as it is within it', async () => {
  await noteFeedRead(pool, 'mvan', 2_500);
  const { rows } = await pool.query(
    'SELECT sum(pg_column_size(body) + 100) AS bytes FROM sync.feed WHERE seq > 2000',
  );
  expect(await tidy({ budgetBytes: Number(rows[0].bytes) })).toBe(2_000);
});

it('notes each day where the feeds end', async () => {
  await tidy();
  await tidy();
  const { rows } = await pool.query(
    `SELECT seq FROM sync.feed_day WHERE day = current_date AND campus = 'mvan'`,
  );
  expect(rows).toEqual([{ seq: '2500' }]);
});
