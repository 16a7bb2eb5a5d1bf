import { parseSyncMap, prepareSite, sessionConfig } from '@skooly-edge/sync-protocol';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { makeChunk, maxChunkRows } from './feed-chunk.ts';

const entries = 20_000;
const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createDatabase('feed_chunk');
  // As a planner does that knows nothing of the table, and has many rows to guess.
  const settings = { enable_indexscan: 'off' };
  pool = new Pool(sessionConfig(database.url, { applicationName: 'feed chunk test', settings }));
  await pool.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  await pool.query(
    `INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal)
     SELECT 'mvan', 'cloud', n, '', 0, n, n, repeat('x', 100 + 8000 * (n / 15001)), 'seal' FROM generate_series(1, $1::int) n`,
    [entries],
  );
});
afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

const chunk = (after: number, upTo?: number) => makeChunk({ pool, seal: null, campus: 'mvan', after, upTo });

test('a chunk holds so many entries, or ends where it is told, or at the end of the feed', async () => {
  expect((await chunk(0)).last).toBe(maxChunkRows);
  expect((await chunk(10, 25)).last).toBe(25);
  expect((await chunk(entries - 3)).messages).toHaveLength(3);
  expect(await chunk(entries)).toMatchObject({ last: entries, messages: [] });
});

test('large entries end a chunk sooner', async () => {
  expect((await chunk(15_000)).messages.length).toBeLessThan(600);
});

test('a chunk costs the same however much is behind it, whatever way Postgres takes', async () => {
  const read: { text: string; values: unknown[] }[] = [];
  const query = (text: string, values: unknown[]) => {
    read.push({ text, values });
    return pool.query(text, values);
  };
  await makeChunk({ pool: { query } as unknown as Pool, seal: null, campus: 'mvan', after: 100 });
  const { text = '', values = [] } = read[0] ?? {};
  const { rows } = await pool.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
  const found = [...JSON.stringify(rows).matchAll(/Actual Rows\\*": (\d+)/g)].map(([, count]) =>
    Number(count),
  );
  expect(Math.max(...found)).toBe(maxChunkRows);
});
