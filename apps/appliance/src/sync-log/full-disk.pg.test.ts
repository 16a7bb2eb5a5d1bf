/** Capture from a real Postgres into a log whose disk is full. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Capture,
  parseSyncMap,
  prepareSite,
  replicationName,
  sessionConfig,
  syncRole,
} from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { logFileName, openFile } from './log-file.ts';
import { SyncLog } from './sync-log.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const password = 'chain-test';
let database: TestDatabase;
let campus: Client;
let dir: string;
let file: Database.Database;
let log: SyncLog;
let capture: Capture;

beforeAll(async () => {
  database = await createDatabase('full_disk');
  campus = new Client(sessionConfig(database.url, { applicationName: 'full disk test' }));
  await campus.connect();
  await campus.query('CREATE TABLE pupil (id int PRIMARY KEY, campus text NOT NULL, name text)');
  await prepareSite({ adminUrl: database.url, site: 'mvan', syncMap, password });
  dir = mkdtempSync(join(tmpdir(), 'skooly-full-disk-'));
  file = openFile(join(dir, logFileName));
  log = new SyncLog(file, () => false);
  const url = Object.assign(new URL(database.url), { username: syncRole, password });
  capture = new Capture({
    connectionString: url.href,
    applicationName: 'full disk capture',
    sink: log,
    skipOrigin: () => false,
    table: () => ({ keyColumns: ['id'], by: null }),
  });
});
afterAll(async () => {
  log.close();
  await campus.end();
  await database.drop();
  rmSync(dir, { recursive: true });
});

async function confirmed(): Promise<string> {
  const slot = replicationName(new URL(database.url).pathname.slice(1), 'slot');
  const { rows } = await campus.query(
    'SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1',
    [slot],
  );
  return rows[0].lsn;
}

async function captureAll(): Promise<void> {
  const stop = new AbortController();
  const running = capture.run(stop.signal);
  await Promise.race([running, capture.passed(campus, AbortSignal.timeout(20_000))]);
  stop.abort(new Error('captured'));
  await running;
}

it('nothing is confirmed to Postgres that a full disk did not take, and nothing is lost by it', async () => {
  await campus.query(`INSERT INTO pupil VALUES (1, 'mvan', 'before')`);
  await captureAll();
  expect(log.lastSeq).toBe(1);

  file.pragma(`max_page_count = ${file.pragma('page_count', { simple: true })}`);
  await campus.query(
    `INSERT INTO pupil SELECT 2, 'mvan', string_agg(md5(n::text), '') FROM generate_series(1, 9000) n`,
  );
  const committed = (await campus.query('SELECT pg_current_wal_insert_lsn() AS lsn')).rows[0].lsn;
  await campus.query(`INSERT INTO pupil VALUES (3, 'mvan', 'after')`);
  await expect(captureAll()).rejects.toMatchObject({
    code: 'CAPTURE_STOPPED',
    message: expect.stringContaining('The disk of the sync log is full'),
    cause: { code: 'LOG_FULL' },
  });
  expect([log.full, log.lastSeq]).toEqual([true, 1]);
  const { rows } = await campus.query('SELECT $1::pg_lsn > $2::pg_lsn AS passed', [
    committed,
    await confirmed(),
  ]);
  expect(rows[0].passed).toBe('t');

  file.pragma('max_page_count = 1000000');
  await captureAll();
  expect([log.full, log.lastSeq]).toEqual([false, 3]);
  const keys = [...log.transactionsAfter(0)].map(({ changes }) => changes[0]?.key.id);
  expect(keys).toEqual(['1', '2', '3']);
});
