import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';
import './postgres-setup.ts';

const DROP_ATTEMPTS = 100;
const DROP_PAUSE_MS = 50;

export interface TestDatabase {
  /** Superuser URL. */
  readonly url: string;
  /** Ends every connection to the database and drops its slots first, and its replication origins with it. */
  drop(): Promise<void>;
  /**
   * Keeps the database as it is at this moment; every connection to it ends.
   *
   * @returns what puts it back: everything since is gone, and so are its slots, as after a restore from a backup.
   */
  snapshot(): Promise<() => Promise<void>>;
}

/** A fresh, empty database in the throwaway cluster of this test run. */
export async function createDatabase(prefix: string): Promise<TestDatabase> {
  const adminUrl = process.env.TEST_POSTGRES_URL ?? inject('postgresUrl');
  const name = `${prefix.replaceAll(/[^a-z0-9_]/g, '_')}_${randomBytes(5).toString('hex')}`;
  await withClient(adminUrl, (client) => client.query(`create database "${name}"`));
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const copies: string[] = [];
  return {
    url: url.href,
    drop: () =>
      withClient(adminUrl, async (client) => {
        for (const database of [name, ...copies]) await dropDatabase(client, database);
        await dropOrigins(client, name);
      }),
    async snapshot() {
      const copy = `${name}_at_${copies.length}`;
      copies.push(copy);
      await withClient(adminUrl, (client) => copyDatabase(client, name, copy));
      return () =>
        withClient(adminUrl, async (client) => {
          await closeToAll(client, name);
          await dropDatabase(client, name);
          await client.query(`create database "${name}" template "${copy}"`);
        });
    },
  };
}

async function copyDatabase(client: pg.Client, from: string, to: string): Promise<void> {
  await closeToAll(client, from);
  await client.query(`create database "${to}" template "${from}"`);
  await client.query(`alter database "${from}" allow_connections true`);
}

async function closeToAll(client: pg.Client, name: string): Promise<void> {
  await client.query(`alter database "${name}" allow_connections false`);
  for (let left: number | null = 1; left; ) {
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
    left = (await client.query('select 1 from pg_stat_activity where datname = $1', [name])).rowCount;
    if (left) await sleep(DROP_PAUSE_MS);
  }
}

async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  for (let attempt = 0; attempt < DROP_ATTEMPTS; attempt++) {
    await client.query(
      'select pg_terminate_backend(active_pid) from pg_replication_slots where database = $1 and active',
      [name],
    );
    await client
      .query(
        'select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = $1 and not active',
        [name],
      )
      .catch(ignoreRace);
    const left = await client.query('select 1 from pg_replication_slots where database = $1', [name]);
    if (left.rowCount === 0) break;
    await sleep(DROP_PAUSE_MS);
  }
  await client.query(`drop database if exists "${name}" with (force)`);
}

/** Origins belong to the whole cluster, which has room for `max_replication_slots` of them at a time. */
async function dropOrigins(client: pg.Client, database: string): Promise<void> {
  await client.query(
    'select pg_replication_origin_drop(roname) from pg_replication_origin where starts_with(roname, $1)',
    [`edge_${database}_`],
  );
}

/** A slot that was taken again (55006) or dropped (42704) since it was listed is looked at in the next round. */
function ignoreRace(error: { code?: string }): void {
  if (error.code !== '55006' && error.code !== '42704') throw error;
}

async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}
