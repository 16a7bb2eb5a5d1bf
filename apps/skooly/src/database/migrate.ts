/**
 * Brings the schema up to date: numbered SQL files, each in a transaction of its own, recorded in skooly_migration with
 * a hash of its text. Running it again does nothing. Two at once wait for one another. It creates structure only, never
 * rows, so that a campus can be seeded from the cloud afterwards. A file that changed after it ran is refused.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import pg from 'pg';
import { SkoolyStartError } from '../errors.ts';

export interface Migration {
  name: string;
  sql: string;
}

const migrationLock = 'skooly migrate';

export function readMigrations(folder = new URL('../../migrations/', import.meta.url)): Migration[] {
  const names = readdirSync(folder).filter((name) => /^\d{3}-.*\.sql$/.test(name));
  return names.sort().map((name) => ({ name, sql: readFileSync(new URL(name, folder), 'utf8') }));
}

/** @returns the names of the migrations that were run. */
export async function migrate(databaseUrl: string, migrations = readMigrations()): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'skooly migrate' });
  await client.connect().catch((cause: Error) => {
    throw new SkoolyStartError('DATABASE_AWAY', `SKOOLY_DATABASE_URL: cannot connect (${cause.message}).`, {
      cause,
    });
  });
  try {
    await client.query('select pg_advisory_lock(hashtext($1))', [migrationLock]);
    await client.query(`create table if not exists public.skooly_migration (
      name text primary key, sha256 text not null, applied_at timestamptz not null default now())`);
    const ran: string[] = [];
    for (const migration of migrations) {
      if (await runOnce(client, migration)) ran.push(migration.name);
    }
    return ran;
  } finally {
    await client.end();
  }
}

/** An address with several hosts fails with an empty message and a code. */
export function databaseAway(cause: Error & { code?: string }): SkoolyStartError {
  const why = cause.message || cause.code;
  return new SkoolyStartError('DATABASE_AWAY', `SKOOLY_DATABASE_URL: cannot connect (${why}).`, { cause });
}

async function runOnce(client: pg.Client, { name, sql }: Migration): Promise<boolean> {
  const sha256 = createHash('sha256').update(sql).digest('hex');
  const known = await client.query<{ sha256: string }>(
    'select sha256 from skooly_migration where name = $1',
    [name],
  );
  const [row] = known.rows;
  if (row && row.sha256 !== sha256) {
    throw new SkoolyStartError(
      'MIGRATION_CHANGED',
      `${name} ran here with another text: add a new migration instead.`,
    );
  }
  if (row) return false;
  try {
    await client.query('begin');
    await client.query(sql);
    await client.query('insert into skooly_migration (name, sha256) values ($1, $2)', [name, sha256]);
    await client.query('commit');
    return true;
  } catch (cause) {
    await client.query('rollback');
    throw new SkoolyStartError('MIGRATION_FAILED', `${name} failed: ${(cause as Error).message}.`, { cause });
  }
}
