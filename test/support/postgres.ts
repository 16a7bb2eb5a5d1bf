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
  /** Ends every connection to the database and drops its slots first. */
  drop(): Promise<void>;
}

/** A fresh, empty database in the throwaway cluster of this test run. */
export async function createDatabase(prefix: string): Promise<TestDatabase> {
  const adminUrl = inject('postgresUrl');
  const name = `${prefix.replaceAll(/[^a-z0-9_]/g, '_')}_${randomBytes(5).toString('hex')}`;
  await withClient(adminUrl, (client) => client.query(`create database "${name}"`));
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => withClient(adminUrl, (client) => dropDatabase(client, name)) };
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
