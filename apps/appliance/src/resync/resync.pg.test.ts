import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Catalog,
  parseSyncMap,
  prepareSite,
  readCatalog,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import { Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { until } from '../../../../test/support/chain.ts';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { Resync, type ResyncOptions } from './resync.ts';

const syncMap = parseSyncMap({ version: 1, database: 'x', tables: {} });
const everything = { table: null, keys: null, mode: 'policy', throttleBytesPerSecond: null } as const;
let database: TestDatabase;
let pool: Pool;
let catalog: Catalog;

beforeAll(async () => {
  database = await createDatabase('resync');
  await prepareSite({ adminUrl: database.url, site: 'mvan', syncMap, password: 'chain-test' });
  pool = new Pool(sessionConfig(database.url, { applicationName: 'resync test' }));
  await pool.query("INSERT INTO sync.cursor (epoch, seq, seeded_until) VALUES ('cloud', 7, 7)");
  const client = await pool.connect();
  catalog = await readCatalog(client, syncMap);
  client.release();
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(() => pool.query('DELETE FROM sync.resync'));

/** A relay that has no tables to compare, over a clock that runs as fast as it is waited for. */
async function withResync(
  given: Partial<ResyncOptions>,
  use: (resync: Resync) => Promise<void>,
): Promise<void> {
  let aheadMs = 0;
  const stop = new AbortController();
  const post = async (path: string) =>
    (path.endsWith('mark') ? { epoch: 'cloud', feedSeq: 7 } : { tables: [] }) as never;
  const resync = new Resync({
    database: pool,
    catalog: () => catalog,
    post,
    log: { appendOwn: () => 1, kept: () => [], amidParts: () => false },
    captured: async () => {},
    drained: async () => {},
    proofAt: null,
    logger: pino({ level: 'silent' }),
    nowMs: () => Date.now() + aheadMs,
    random: () => 0.5,
    pause: async (ms, signal) => {
      aheadMs += ms;
      await sleep(1, undefined, { signal });
    },
    ...given,
  });
  const running = resync.run(stop.signal);
  try {
    await use(resync);
  } finally {
    stop.abort(new Error('over'));
    await running;
  }
}

test('a proof comes by itself every night', async () => {
  await withResync({ proofAt: '02:30' }, async (resync) => {
    await until(async () => resync.proof !== null);
    const first = Date.parse(resync.proof?.at ?? '');
    expect(resync.proof).toMatchObject({ equal: true, differences: 0 });
    expect(resync.report).toMatchObject({ reason: 'proof' });
    await until(async () => Date.parse(resync.proof?.at ?? '') > first);
  });
});

test('without a time there is none', async () => {
  await withResync({}, async (resync) => {
    await sleep(50);
    expect([resync.proof, resync.report]).toEqual([null, null]);
  });
});

test('a failure that may pass is followed by another attempt, and said meanwhile', async () => {
  let isDown = true;
  const drained = async () => {
    if (isDown) throw new Error('the link is down');
  };
  await withResync({ drained }, async (resync) => {
    const { id } = await resync.start(everything);
    await until(async () => resync.report?.problem === 'the link is down');
    isDown = false;
    await until(async () => resync.report?.state === 'done');
    expect(resync.report).toMatchObject({ id, problem: null });
  });
});

test('what the relay refuses for good ends the run with its sentence', async () => {
  const post = () =>
    Promise.reject(Object.assign(new Error('There is nothing at this address.'), { code: 'NOT_FOUND' }));
  await withResync({ post }, async (resync) => {
    await resync.start(everything);
    await until(async () => resync.report?.state !== 'running');
    expect(resync.report).toMatchObject({ state: 'failed', problem: 'There is nothing at this address.' });
  });
});

test('a run outlives the box, and what was asked for meanwhile comes after it', async () => {
  let id = '';
  const drained = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  await withResync({ drained }, async (resync) => {
    id = (await resync.start(everything)).id;
    await resync.request('the slot was lost');
  });
  await withResync({}, async (resync) => {
    await until(async () => resync.report?.reason === 'the slot was lost' && resync.report.state === 'done');
    const { rows } = await pool.query('SELECT state FROM sync.resync WHERE id = $1', [id]);
    expect(rows).toEqual([{ state: 'done' }]);
  });
});

test('before the first copy is complete nobody can start one, but the box may ask for it', async () => {
  await pool.query('UPDATE sync.cursor SET seeded_until = 8');
  await withResync({}, async (resync) => {
    await expect(resync.start(everything)).rejects.toMatchObject({ code: 'RESYNC_NOT_READY' });
    await expect(resync.request('doubt')).resolves.toMatchObject({ reason: 'doubt' });
  });
  await pool.query('UPDATE sync.cursor SET seeded_until = 7');
});
