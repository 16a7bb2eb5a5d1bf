import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../../test/support/postgres.ts';
import { parseSyncMap } from '../../sync-map/sync-map.ts';
import { prepareSite } from '../prepare/prepare.ts';
import { Capture } from './capture.ts';

const attempts = 200;
const latestAbortMs = 50;
const hungAfterMs = 10_000;

let database: TestDatabase;
let client: Client;
const syncMap = parseSyncMap({
  version: 1,
  database: 'd',
  tables: { 'public.t': { scope: null, policy: 'cloud' } },
});

beforeAll(async () => {
  database = await createDatabase('capture');
  client = new Client(database.url);
  await client.connect();
  await client.query('CREATE TABLE t (id int PRIMARY KEY)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
});

afterAll(async () => {
  await client?.end();
  await database?.drop();
});

test('an abort at any moment of its start ends it, and lets go of the slot', async () => {
  for (let attempt = 0; attempt < attempts; attempt++) {
    await slotIsFree();
    const abort = new AbortController();
    const capture = new Capture({
      connectionString: database.url,
      applicationName: 'capture',
      sink: { append() {} },
      table: () => ({ keyColumns: ['id'], by: null }),
      skipOrigin: () => false,
    });
    const abortMs = (attempt * latestAbortMs) / attempts;
    const ended = capture.run(abort.signal);
    ended.catch(() => {});
    await sleep(abortMs);
    abort.abort();
    const hung = Symbol(`hung after an abort at ${abortMs} ms`);
    const outcome = await Promise.race([ended, sleep(hungAfterMs, hung, { ref: false })]);
    expect(outcome, hung.description).toBeUndefined();
  }
  await slotIsFree();
});

/** The server notices a connection that has gone in its own time. */
async function slotIsFree(): Promise<void> {
  const slot = 'SELECT active FROM pg_replication_slots WHERE database = current_database()';
  await expect
    .poll(async () => (await client.query(slot)).rows, { timeout: hungAfterMs, interval: 2 })
    .toEqual([{ active: false }]);
}
