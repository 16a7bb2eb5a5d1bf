import { parseSyncMap, prepareSite, type Row, sessionConfig } from '@skooly-edge/sync-protocol';
import { Pool, type PoolClient } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { FeedRows, forgetRows, maxNewest } from './feed-rows.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
/** Each entry changes the pupil whose number is its seq modulo this. */
const pupils = 500;
let database: TestDatabase;
let pool: Pool;
let client: PoolClient;

beforeAll(async () => {
  database = await createDatabase('feed_rows');
  pool = new Pool(sessionConfig(database.url, { applicationName: 'feed rows test' }));
  await pool.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  client = await pool.connect();
});
afterAll(async () => {
  client?.release();
  await pool?.end();
  await database?.drop();
});

beforeEach(async () => {
  await pool.query('TRUNCATE sync.feed, sync.feed_row, sync.feed_row_end, sync.feed_reader');
});

const insertEntry = `INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal)`;

/** A mark of `pupil` in lesson `lesson`: two columns make the key, and not each entry spells it alike. */
async function addEntries(from: number, to: number, campus = 'mvan'): Promise<void> {
  await pool.query(
    `${insertEntry} SELECT $3, 'cloud', n, '', 0, n * 10, n,
       format('{"changes":[{"table":"public.mark","op":"update","key":%s,"after":{"value":"%s"}},{"table":"public.pupil","op":"update","key":{"id":"p%s"},"after":{"phone":"%s"}}],"corrections":[]}',
         format(CASE n % 3 WHEN 0 THEN '{"lesson":"l%s","pupil":"p%1$s"}' ELSE '{"lesson": "l%s", "pupil": "p%1$s"}' END, n % $4),
         n, n % $4, n), 'seal'
     FROM generate_series($1::int, $2::int) n`,
    [from, to, campus, pupils],
  );
}

const valuesOf = async (table: string, key: Row, since = -1) =>
  (await new FeedRows(client, 'mvan').changesOf(table, key, since)).map(({ change }) =>
    Number(change.after?.value ?? change.after?.phone),
  );

test.each([maxNewest, maxNewest + 1, 10 * maxNewest])(
  'of a feed of %i entries those are found that changed the row, the latest first',
  async (entries) => {
    await addEntries(1, entries);
    await addEntries(1, 600, 'bonab');
    const expected = (n: number) =>
      Array.from({ length: entries }, (_, at) => entries - at).filter((seq) => seq % pupils === n);
    expect(await valuesOf('public.pupil', { id: 'p7' })).toEqual(expected(7));
    expect(await valuesOf('public.mark', { lesson: 'l8', pupil: 'p8' })).toEqual(expected(8));
    expect(await valuesOf('public.mark', { lesson: 'l8', pupil: 'p9' })).toEqual([]);
    expect(await valuesOf('public.teacher', { id: 'p7' })).toEqual([]);
    expect(await valuesOf('public.pupil', { id: 'p7' }, 510 * 10)).toEqual(
      expected(7).filter((seq) => seq >= 510),
    );
  },
);

test('what comes after a question is found too, whether much or little', async () => {
  await addEntries(1, 2 * maxNewest);
  await valuesOf('public.pupil', { id: 'p1' });
  await addEntries(2 * maxNewest + 1, 2 * maxNewest + 1);
  expect((await valuesOf('public.pupil', { id: 'p1' }))[0]).toBe(2 * maxNewest + 1);
  await addEntries(2 * maxNewest + 2, 4 * maxNewest + 1);
  expect((await valuesOf('public.pupil', { id: 'p1' })).slice(0, 3)).toEqual([
    4 * maxNewest + 1,
    4 * maxNewest - 499,
    4 * maxNewest - 999,
  ]);
});

test('a change that an entry makes twice to a row counts twice, the latest first', async () => {
  const changes = ['1', '2'].map((phone) => ({
    table: 'public.pupil',
    op: 'update',
    key: { id: 'twice "a"\\' },
    after: { phone },
  }));
  await pool.query(`${insertEntry} VALUES ('mvan', 'cloud', 1, '', 0, 1, 1, $1, 'seal')`, [
    JSON.stringify({ changes, corrections: [] }),
  ]);
  await addEntries(2, 2 * maxNewest);
  expect(await valuesOf('public.pupil', { id: 'twice "a"\\' })).toEqual([2, 1]);
});

test('the second question reads no more of the feed than its newest entries and what it finds', async () => {
  await addEntries(1, 20 * maxNewest);
  await valuesOf('public.pupil', { id: 'p1' });
  await addEntries(20 * maxNewest + 1, 20 * maxNewest + 100);
  const read: { text: string; values: unknown[] }[] = [];
  const query = (text: string, values: unknown[]) => {
    read.push({ text, values });
    return client.query(text, values);
  };
  await new FeedRows({ query } as unknown as PoolClient, 'mvan').changesOf('public.pupil', { id: 'p2' }, 0);
  const { text = '', values = [] } = read.at(-1) ?? {};
  await client.query('BEGIN; SET LOCAL enable_seqscan = off');
  const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
  await client.query('ROLLBACK');
  const touched = [
    ...JSON.stringify(rows).matchAll(/(?:Actual Rows|Rows Removed by Filter)\\*": (\d+)/g),
  ].map(([, count]) => Number(count));
  expect(touched.length).toBeGreaterThan(3);
  expect(Math.max(...touched)).toBeLessThanOrEqual(100);
});

test('a question that is undone is as if it had not been asked', async () => {
  await addEntries(1, 2 * maxNewest);
  await client.query('BEGIN');
  await valuesOf('public.pupil', { id: 'p1' });
  await client.query('ROLLBACK');
  expect((await pool.query('SELECT FROM sync.feed_row')).rowCount).toBe(0);
  expect(await valuesOf('public.pupil', { id: 'p1' })).toHaveLength(4);
});

test('entries that are removed from the feed are forgotten', async () => {
  await addEntries(1, 2 * maxNewest);
  await valuesOf('public.pupil', { id: 'p1' });
  await pool.query(`DELETE FROM sync.feed WHERE seq <= 1990`);
  await pool.query(`INSERT INTO sync.feed_reader (campus, trimmed_to) VALUES ('mvan', 1990)`);
  await forgetRows(pool, 'mvan');
  const { rows } = await pool.query<{ seq: string }>('SELECT DISTINCT seq FROM sync.feed_row ORDER BY seq');
  expect(rows.map(({ seq }) => Number(seq))).toEqual([
    1991, 1992, 1993, 1994, 1995, 1996, 1997, 1998, 1999, 2000,
  ]);
  expect(await valuesOf('public.pupil', { id: 'p1' })).toEqual([]);
});
