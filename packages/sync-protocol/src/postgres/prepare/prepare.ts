/**
 * Makes a database ready for the engine, with an administrator's connection: the schema `sync`, a role that may do
 * just what the engine does, the publication, REPLICA IDENTITY FULL on every synced table, replication origins, and the
 * slot. May run again at any time; it changes only what is missing, and is how a new synced table is taken in.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientBase, escapeLiteral } from 'pg';
import { SyncError } from '../../errors.ts';
import { recordBaseline } from '../../migration/application-record.ts';
import { mapInForce } from '../../migration/map-in-force.ts';
import { conflictTable, type SyncMap } from '../../sync-map/sync-map.ts';
import { readCatalog } from '../apply/catalog.ts';
import { originNames } from '../apply/origin.ts';
import { ensureSlot } from '../capture/slot.ts';
import { databaseName, publicationName, quoteName, sessionConfig } from '../session.ts';
import { prepareMigrationRole } from './migration-role.ts';
import { siteSchema } from './schema.ts';
import { sequenceGrants } from './sequence-schema.ts';
import { syncRole, takeInTables } from './synced-tables.ts';

export { syncRole };

const minimumVersion = 150_000;

/** How often, and after which pause, the preparation of one database gives way to that of another. */
const maxTurns = 100;
const turnPauseMs = 50;

export interface PrepareOptions {
  /** A connection of a superuser of this database. */
  adminUrl: string;
  /** `cloud`, or the campus's id. */
  site: string;
  syncMap: SyncMap;
  /** Password that `skooly_sync` shall have. */
  password: string;
}

/** @throws SyncError POSTGRES_VERSION, WAL_LEVEL, COMMIT_TIMESTAMPS or SCHEMA_MISMATCH; nothing is changed then. */
export async function prepareSite(options: PrepareOptions): Promise<void> {
  const database = databaseName(options.adminUrl);
  const client = new Client(sessionConfig(options.adminUrl, { applicationName: 'skooly-edge prepare' }));
  await client.connect();
  try {
    await checkServer(client);
    await inTurn(client, () => prepareInTransaction(client, database, options));
    await prepareOrigins(client, database);
    await ensureSlot(client, database);
  } finally {
    await client.end();
  }
}

/** The role belongs to the whole server: another database of it that is made ready at the same time goes first. */
async function inTurn(client: ClientBase, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      await client.query('ROLLBACK');
      if (attempt === maxTurns || !isOfAnother(error)) throw error;
      await sleep(turnPauseMs);
    }
  }
}

/** "Tuple concurrently updated" has no code of its own; a role that both create clashes in the catalogue. */
function isOfAnother(error: unknown): boolean {
  const { code, message, schema } = error as { code?: string; message?: string; schema?: string };
  return (
    (code === 'XX000' && /concurrently/.test(message ?? '')) || (code === '23505' && schema === 'pg_catalog')
  );
}

async function prepareInTransaction(
  client: ClientBase,
  database: string,
  options: PrepareOptions,
): Promise<void> {
  await client.query('BEGIN');
  await client.query(siteSchema(options.site));
  await client.query('INSERT INTO sync.site (site, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    options.site,
    randomUUID(),
  ]);
  const syncMap = await mapInForce(client, options.syncMap);
  await readCatalog(client, syncMap);
  await prepareRole(client, database, options.password);
  await preparePublication(client);
  await takeInTables(client, syncMap);
  await prepareMigrationRole(client, [...syncMap.tables.keys()]);
  await recordBaseline(client);
  await client.query('COMMIT');
}

/** Settings without which capture cannot work; also checked when a daemon starts. */
export async function checkServer(client: ClientBase): Promise<void> {
  const { rows } = await client.query<Record<string, string>>(
    `SELECT current_setting('server_version_num') AS version, current_setting('wal_level') AS wal_level,
            current_setting('track_commit_timestamp') AS commit_timestamps`,
  );
  const server = rows[0] ?? {};
  if (Number(server.version) < minimumVersion) {
    throw new SyncError('POSTGRES_VERSION', `Postgres is version ${server.version}; 15 or later is needed.`);
  }
  if (server.wal_level !== 'logical') {
    throw new SyncError('WAL_LEVEL', `Postgres runs with wal_level=${server.wal_level}; logical is needed.`);
  }
  if (server.commit_timestamps !== 'on') {
    throw new SyncError('COMMIT_TIMESTAMPS', 'Postgres runs with track_commit_timestamp=off; on is needed.');
  }
}

async function prepareRole(client: ClientBase, database: string, password: string): Promise<void> {
  const role = quoteName(syncRole);
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [syncRole]);
  const verb = rowCount === 0 ? 'CREATE' : 'ALTER';
  await client.query(`${verb} ROLE ${role} LOGIN REPLICATION BYPASSRLS PASSWORD ${escapeLiteral(password)}`);
  const functions = [
    'pg_replication_origin_create(text)',
    'pg_replication_origin_oid(text)',
    'pg_replication_origin_session_setup(text)',
    'pg_replication_origin_session_reset()',
    'pg_replication_origin_xact_setup(pg_lsn, timestamptz)',
    ...sequenceGrants,
  ];
  await client.query(`
    GRANT CONNECT ON DATABASE ${quoteName(database)} TO ${role};
    GRANT USAGE ON SCHEMA sync TO ${role};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sync TO ${role};
    GRANT SET ON PARAMETER session_replication_role, deadlock_timeout TO ${role};
    ${functions.map((name) => `GRANT EXECUTE ON FUNCTION ${name} TO ${role};`).join('\n')}`);
}

async function preparePublication(client: ClientBase): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_publication WHERE pubname = $1', [publicationName]);
  // TRUNCATE is published to be noticed, never to be replicated.
  const options = "(publish = 'insert, update, delete, truncate')";
  await client.query(
    rowCount === 0
      ? `CREATE PUBLICATION ${publicationName} WITH ${options}`
      : `ALTER PUBLICATION ${publicationName} SET ${options}`,
  );
}

async function prepareOrigins(client: ClientBase, database: string): Promise<void> {
  for (const name of originNames(database)) {
    const { rows } = await client.query('SELECT pg_replication_origin_oid($1) AS oid', [name]);
    if (rows[0]?.oid === null) await client.query('SELECT pg_replication_origin_create($1)', [name]);
  }
}

/** @throws SyncError NOT_PREPARED */
export async function readSite(client: ClientBase): Promise<{ site: string; epoch: string }> {
  try {
    const { rows } = await client.query<{ site: string; epoch: string }>('SELECT site, epoch FROM sync.site');
    if (rows[0]) return rows[0];
  } catch (cause) {
    if ((cause as { code?: string }).code !== '42P01' && (cause as { code?: string }).code !== '3F000')
      throw cause;
    throw new SyncError('NOT_PREPARED', 'The database has no schema sync.', { cause });
  }
  throw new SyncError(
    'NOT_PREPARED',
    `The table sync.site is empty (${conflictTable} has no site to belong to).`,
  );
}
