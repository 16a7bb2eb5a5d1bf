import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { LabError } from '../errors.ts';
import { findPostgres } from '../postgres/binaries.ts';

/** Kept as the database's comment, so that it is as true as the rows: it comes and goes with them. */
const LOADED = 'loaded by the lab';

export async function withClient<T>(url: string, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

/** Makes the database when it is missing; with an owner, also the role, which then has the given password. */
export async function ensureDatabase(
  adminUrl: string,
  name: string,
  owner?: { role: string; password: string },
): Promise<void> {
  await withClient(adminUrl, async (client) => {
    if (owner !== undefined) await ensureRole(client, owner);
    const { rowCount } = await client.query('select from pg_database where datname = $1', [name]);
    if (rowCount !== 0) return;
    const owned = owner === undefined ? '' : `owner ${client.escapeIdentifier(owner.role)}`;
    await client.query(`create database ${client.escapeIdentifier(name)} ${owned}`);
  });
}

async function ensureRole(
  client: pg.Client,
  { role, password }: { role: string; password: string },
): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role]);
  const verb = rowCount === 0 ? 'create' : 'alter';
  await client.query(
    `${verb} role ${client.escapeIdentifier(role)} login password ${client.escapeLiteral(password)}`,
  );
}

/** Whether the rows of this database were made. */
export async function isLoaded(url: string): Promise<boolean> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ note: string | null }>(
      "select shobj_description(oid, 'pg_database') as note from pg_database where datname = current_database()",
    );
    return rows[0]?.note === LOADED;
  });
}

export async function markLoaded(url: string): Promise<void> {
  await withClient(url, (client) => client.query(markSql(url)));
}

function markSql(url: string): string {
  const database = decodeURIComponent(new URL(url).pathname.slice(1));
  return `comment on database "${database.replaceAll('"', '""')}" is '${LOADED}'`;
}

/** Runs SQL files and sets the mark in one transaction, once. They may be what pg_dump writes, so psql reads them. */
export async function loadOnce(url: string, files: readonly string[]): Promise<void> {
  if (await isLoaded(url)) return;
  const flags = ['--no-psqlrc', '--quiet', '--single-transaction', '--set=ON_ERROR_STOP=1'];
  const commands = [...files.map((file) => `--file=${file}`), `--command=${markSql(url)}`];
  const env = { ...process.env, ...libpqEnv(url) };
  await promisify(execFile)(psql(), [...flags, ...commands], { env }).catch((cause) => {
    const reason = String(cause.stderr ?? cause.message)
      .trim()
      .split('\n')[0];
    const message = `The database of ${files.join(' and ')} was not loaded: ${reason}`;
    throw new LabError('DATABASE_INVALID', message, 'Put right what it names, then start again.', { cause });
  });
}

/** Not as an argument, which everybody on the machine can read. */
export function libpqEnv(text: string): Record<string, string> {
  const url = new URL(text);
  return {
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: decodeURIComponent(url.pathname.slice(1)),
  };
}

/** Beside the server on Debian, else on PATH. */
function psql(): string {
  const beside = join(findPostgres().postgres, '..', 'psql');
  return existsSync(beside) ? beside : 'psql';
}
