import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase } from '../../support/postgres.ts';
import { type PostgresInstance, startPostgres } from './postgres.ts';

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  await client.end();
  return rows[0]?.[0];
}

describe('a Postgres of our own', () => {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-edge-test-'));
  let postgres: PostgresInstance;

  beforeAll(async () => {
    chmodSync(dir, 0o755);
    postgres = await startPostgres({ dir, settings: { fsync: false } });
  });
  afterAll(async () => {
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('has the settings that the engine needs', async () => {
    expect(await ask(postgres.url, 'show wal_level')).toBe('logical');
    expect(await ask(postgres.url, 'show track_commit_timestamp')).toBe('on');
    expect(await ask(postgres.url, 'show data_checksums')).toBe('on');
    expect(await ask(postgres.url, 'show listen_addresses')).toBe('127.0.0.1');
  });

  test('keeps its password in a file that only its owner reads', () => {
    const file = join(dir, 'password');
    expect(readFileSync(file, 'utf8').trim()).toBe(postgres.password);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('keeps committed rows through kill -9 and a start', async () => {
    await ask(postgres.url, 'create table kept as select 42 as n');
    await postgres.kill();
    postgres = await startPostgres({ dir, port: postgres.port, settings: { fsync: false } });
    expect(await ask(postgres.url, 'select n from kept')).toBe(42);
  });

  test('stops, may be stopped twice, and leaves no pid file', async () => {
    await postgres.stop();
    await postgres.stop();
    expect(existsSync(join(postgres.dataDir, 'postmaster.pid'))).toBe(false);
    postgres = await startPostgres({ dir, settings: { fsync: false } });
  });

  test('says which port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => other.once('listening', done));
    const port = (other.address() as { port: number }).port;
    const start = startPostgres({ dir: join(dir, 'second'), port });
    await expect(start).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(String(port)),
    });
    other.close();
  });

  test('says in one sentence what keeps it from starting, and where its log is', async () => {
    await postgres.stop();
    const start = startPostgres({ dir, settings: { no_such_setting: 1 } });
    await expect(start).rejects.toMatchObject({
      code: 'POSTGRES_START_FAILED',
      message: expect.stringContaining('no_such_setting'),
      advice: expect.stringContaining('postgres.log'),
    });
    postgres = await startPostgres({ dir, settings: { fsync: false } });
  });
});

test('a test database goes away with its slots and its connections', async () => {
  const database = await createDatabase('support');
  const client = new pg.Client({ connectionString: database.url });
  client.on('error', () => undefined);
  await client.connect();
  await client.query("select pg_create_logical_replication_slot('support_slot', 'pgoutput')");
  await database.drop();
  await expect(ask(database.url, 'select 1')).rejects.toMatchObject({ code: '3D000' });
});
