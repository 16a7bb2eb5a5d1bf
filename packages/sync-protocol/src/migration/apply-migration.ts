/**
 * Runs one migration, the same way in the cloud and on a campus: in one transaction its SQL, the application's own record of it, what
 * makes a new table a synced one, a check that the schema fits the sync map, and the engine's record. Either all of it
 * stands or nothing. It is held to structure: rows are for the cloud to write, and travel.
 *
 * It gives way to users: a lock that is not free within a second ends the attempt, and the caller tries again later. It
 * does not check signatures.
 */
import { Client, type ClientBase } from 'pg';
import { SyncError } from '../errors.ts';
import { readCatalog } from '../postgres/apply/catalog.ts';
import { takeInTables } from '../postgres/prepare/synced-tables.ts';
import { sessionConfig } from '../postgres/session.ts';
import type { SyncMap } from '../sync-map/sync-map.ts';
import { hasApplicationRecord, readSchemaNumber } from './application-record.ts';
import { MigrationError } from './errors.ts';
import { mapInForce } from './map-in-force.ts';
import { type SignedMigration, sha256 } from './signed-migration.ts';
import { lookBefore, refuseRows } from './structure-only.ts';

/** `applied`: its SQL was run. `recorded`: the application had run it by itself already. */
export type MigrationOutcome = 'applied' | 'recorded';

/** While it waits for a table, everybody else who comes for that table waits behind it. */
const lockTimeoutMs = 1_000;

/** The advisory lock of the application's own `migrate`, so that the two wait for one another. */
const migrateLock = 'skooly migrate';

/**
 * @param ownerUrl Connection of the role that owns the tables. @param ownMap What holds as long as no migration has brought a map.
 * @throws MigrationError; nothing has been changed then. Anything else is a database that is away.
 */
export async function applyMigration(
  ownerUrl: string,
  migration: SignedMigration,
  ownMap: SyncMap,
): Promise<MigrationOutcome> {
  const client = new Client(sessionConfig(ownerUrl, { applicationName: 'skooly-edge migration' }));
  client.on('error', () => {});
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    const outcome = await applyWithin(client, migration, ownMap);
    await client.query('COMMIT');
    return outcome;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw explain(migration, error);
  } finally {
    await client.end().catch(() => {});
  }
}

async function applyWithin(
  client: ClientBase,
  migration: SignedMigration,
  ownMap: SyncMap,
): Promise<MigrationOutcome> {
  await client.query('SELECT pg_advisory_xact_lock(hashtext($1))', [migrateLock]);
  const at = await readSchemaNumber(client);
  if (migration.number !== at + 1) {
    throw new MigrationError(
      'MIGRATION_GAP',
      `${migration.name} does not follow: this database is at number ${at}.`,
    );
  }
  const before = await lookBefore(client, await mapInForce(client, ownMap));
  const outcome = await runUnlessRecorded(client, migration);
  const { number, name, sql, signature } = migration;
  await client.query(
    'INSERT INTO sync.migration (number, name, sql, sync_map, signature) VALUES ($1, $2, $3, $4, $5)',
    [number, name, sql, migration.syncMap, signature],
  );
  const syncMap = await mapInForce(client, ownMap);
  await refuseRows(client, name, syncMap, before);
  await takeInTables(client, syncMap);
  await readCatalog(client, syncMap);
  return outcome;
}

async function runUnlessRecorded(
  client: ClientBase,
  { name, sql }: SignedMigration,
): Promise<MigrationOutcome> {
  const recorded = await hasApplicationRecord(client);
  if (recorded) {
    const { rows } = await client.query<{ sha256: string }>(
      'SELECT sha256 FROM public.skooly_migration WHERE name = $1',
      [name],
    );
    if (rows[0] && rows[0].sha256 !== sha256(sql)) {
      throw new MigrationError('MIGRATION_CHANGED', `${name} ran here with another text.`);
    }
    if (rows[0]) return 'recorded';
  }
  await runWhole(client, name, sql);
  if (recorded) {
    await client.query('INSERT INTO public.skooly_migration (name, sha256) VALUES ($1, $2)', [
      name,
      sha256(sql),
    ]);
  }
  return 'applied';
}

/** A COMMIT in the file would leave a part of it behind if the rest failed. */
async function runWhole(client: ClientBase, name: string, sql: string): Promise<void> {
  if (statements(sql).some((statement) => endsTransaction.test(statement))) throw notAtomic(name);
  const transaction = async () =>
    (await client.query<{ id: string }>('SELECT pg_current_xact_id_if_assigned()::text AS id')).rows[0]?.id;
  await client.query('SELECT pg_current_xact_id()');
  const before = await transaction();
  await client.query(sql);
  if ((await transaction()) !== before) throw notAtomic(name);
}

const endsTransaction = /^(begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction)\b/i;

/** Bodies of functions, strings and comments may hold semicolons and such words. */
const quoted = /(\$[A-Za-z_]*\$)[\s\S]*?\1|'(?:[^']|'')*'|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\//g;

function statements(sql: string): string[] {
  return sql
    .replaceAll(quoted, ' ')
    .split(';')
    .map((statement) => statement.trim());
}

function notAtomic(name: string): MigrationError {
  return new MigrationError('MIGRATION_NOT_ATOMIC', `${name} begins or ends a transaction of its own.`);
}

function explain({ name }: SignedMigration, cause: unknown): unknown {
  if (cause instanceof MigrationError) return cause;
  const { code = '', message } = cause as { code?: string; message: string };
  if (code === '55P03' || code === '40P01') {
    return new MigrationError('MIGRATION_WAITS', `${name} did not get its locks.`, { cause });
  }
  if (code === '42501') return new MigrationError('MIGRATION_FORBIDDEN', `${name}: ${message}.`, { cause });
  const refused = /^[0-9A-Z]{5}$/.test(code) && !/^(08|57|58|53)/.test(code);
  if (!refused && !(cause instanceof SyncError)) return cause;
  return new MigrationError('MIGRATION_FAILED', `${name} failed: ${message.replace(/\.$/, '')}.`, { cause });
}
