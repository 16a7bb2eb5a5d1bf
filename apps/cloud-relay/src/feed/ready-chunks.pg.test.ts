import { setTimeout as sleep } from 'node:timers/promises';
import { openFeedBlock, parseSyncMap, prepareSite, sessionConfig } from '@skooly-edge/sync-protocol';
import { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { ReadyChunks } from './ready-chunks.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const epoch = 'cloud';
const lookIntervalMs = 150;
let database: TestDatabase;
let pool: Pool;
let reads: number;

beforeAll(async () => {
  database = await createDatabase('ready_chunks');
  pool = new Pool(sessionConfig(database.url, { applicationName: 'ready chunks test' }));
  await pool.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, name text)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  await pool.query('UPDATE sync.site SET epoch = $1', [epoch]);
});
afterAll(async () => {
  await pool?.end();
  await database?.drop();
});
beforeEach(async () => {
  await pool.query('TRUNCATE sync.feed, sync.follower, sync.feed_reader, sync.campus');
  await grow(0, 5_000);
});

async function grow(from: number, to: number): Promise<void> {
  await pool.query(
    `INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal)
     SELECT 'mvan', 'cloud', n, '', 0, n, n, '{"changes":[],"corrections":[]}', 'seal' FROM generate_series($1::int + 1, $2::int) n`,
    [from, to],
  );
  await pool.query(
    `INSERT INTO sync.follower (campus, feed_seq, stamp_epoch, stamp_seq) VALUES ('mvan', $1, '', 0)
     ON CONFLICT (campus) DO UPDATE SET feed_seq = excluded.feed_seq`,
    [to],
  );
}

/** Lets it look until so many chunks were read from the database, or, where none is to be, for a while. */
async function open({ chunks = 2, isQuiet = (): boolean => true } = {}) {
  reads = 0;
  const counting = {
    query: (...args: Parameters<Pool['query']>) => {
      if (String(args[0]).includes('bytes_before')) reads++;
      return (pool.query as (...args: unknown[]) => unknown)(...args);
    },
  } as unknown as Pool;
  const ready = new ReadyChunks({
    pool: counting,
    seal: { sealBlock: () => 'sealed' },
    logger: pino({ level: 'silent' }),
    isQuiet,
    lookIntervalMs,
  });
  const stop = new AbortController();
  const running = ready.run(stop.signal);
  if (chunks === 0) await sleep(4 * lookIntervalMs);
  await expect.poll(() => reads, { timeout: 10_000 }).toBe(chunks);
  stop.abort();
  await running;
  return ready;
}

function seqsOf({ messages }: { messages: readonly object[] }): number[] {
  return messages.flatMap((message) => {
    const { value } = message as { value: { block?: string; seq: string } };
    if (value.block === undefined) return [Number(value.seq)];
    return openFeedBlock(Buffer.from(value.block, 'base64')).heads.map(({ seq }) => seq);
  });
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + 1 + i);

test('what a campus that is away has missed is there when it asks, chunk by chunk to the end', async () => {
  const ready = await open();
  const first = await ready.take({ campus: 'mvan', epoch, after: 0 });
  const second = await ready.take({ campus: 'mvan', epoch, after: first.last });
  expect(reads).toBe(2);
  const third = await ready.take({ campus: 'mvan', epoch, after: second.last });
  expect([first, second, third].flatMap(seqsOf)).toEqual(range(0, 5_000));
  expect(reads).toBe(3);
});

test('a campus that asks from elsewhere is given what leads to a chunk that is ready', async () => {
  const ready = await open();
  const first = await ready.take({ campus: 'mvan', epoch, after: 300 });
  expect(seqsOf(first)).toEqual(range(300, 2_000));
  await ready.take({ campus: 'mvan', epoch, after: first.last });
  expect(reads).toBe(3);
});

test('nothing that was made ready in one epoch of the cloud is given in another', async () => {
  const ready = await open();
  await ready.take({ campus: 'mvan', epoch: 'restored', after: 0 });
  expect(reads).toBe(3);
});

test('what is ready for a campus is let go when it is trusted no more', async () => {
  const ready = await open();
  await pool.query("INSERT INTO sync.campus (campus, revoked_at) VALUES ('mvan', now())");
  const stop = new AbortController();
  const running = ready.run(stop.signal);
  await sleep(4 * lookIntervalMs);
  stop.abort();
  await running;
  await ready.take({ campus: 'mvan', epoch, after: 0 });
  expect(reads).toBe(3);
});

test('nothing is made ready while others are at work', async () => {
  await open({ chunks: 0, isQuiet: () => false });
});

test('nothing is made ready for a campus that is there, or whose feed grows', async () => {
  const there = await open();
  const leave = there.enter('mvan');
  await grow(5_000, 10_000);
  const stop = new AbortController();
  const running = there.run(stop.signal);
  await sleep(4 * lookIntervalMs);
  expect(reads).toBe(2);
  leave();
  let end = 10_000;
  const growing = setInterval(() => {
    void grow(end, end + 10);
    end += 10;
  }, lookIntervalMs / 3);
  await sleep(6 * lookIntervalMs);
  clearInterval(growing);
  expect(reads).toBe(2);
  await expect.poll(() => reads, { timeout: 10_000 }).toBeGreaterThan(2);
  stop.abort();
  await running;
});
