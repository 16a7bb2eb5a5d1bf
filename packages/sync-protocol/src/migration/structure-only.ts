/**
 * Holds a migration to structure: each site runs it by itself, at another time and over other rows, so whatever it would put into rows
 * would differ between sites. Rows that it writes, and new columns whose default gives another value at each site, are refused.
 */
import type { ClientBase } from 'pg';
import type { SyncMap } from '../sync-map/sync-map.ts';
import { MigrationError } from './errors.ts';

/** What there was before the migration, to tell what is new. */
export interface Before {
  /** `<table's oid> <column's number>` → nothing more is asked of it. */
  columns: ReadonlySet<string>;
  /** A table's file changes when its rows are written anew. */
  files: ReadonlyMap<string, string>;
}

const tablesQuery = `
  SELECT c.oid, c.relfilenode AS file, n.nspname || '.' || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1)`;

export async function lookBefore(client: ClientBase, syncMap: SyncMap): Promise<Before> {
  const names = [...syncMap.tables.keys()];
  const tables = await client.query<{ oid: string; file: string }>(tablesQuery, [names]);
  const columns = await client.query<{ id: string }>(
    `SELECT attrelid || ' ' || attnum AS id FROM pg_attribute WHERE attrelid = ANY ($1::oid[])`,
    [tables.rows.map(({ oid }) => oid)],
  );
  return {
    columns: new Set(columns.rows.map(({ id }) => id)),
    files: new Map(tables.rows.map(({ oid, file }) => [oid, file])),
  };
}

/** @throws MigrationError MIGRATION_WRITES_ROWS, MIGRATION_DEFAULT_VARIES */
export async function refuseRows(
  client: ClientBase,
  name: string,
  syncMap: SyncMap,
  before: Before,
): Promise<void> {
  const names = [...syncMap.tables.keys()];
  const written = await client.query<{ name: string }>(
    `SELECT schemaname || '.' || relname AS name FROM pg_stat_xact_user_tables
     WHERE schemaname || '.' || relname = ANY ($1) AND n_tup_ins + n_tup_upd + n_tup_del > 0 LIMIT 1`,
    [names],
  );
  if (written.rows[0]) {
    throw new MigrationError('MIGRATION_WRITES_ROWS', `${name} writes rows of ${written.rows[0].name}.`);
  }
  for (const { id, column, oid, file, stored } of await varyingDefaults(client, names)) {
    const filled = stored === 'true' || file !== before.files.get(oid);
    if (before.files.has(oid) && !before.columns.has(id) && filled) {
      throw new MigrationError(
        'MIGRATION_DEFAULT_VARIES',
        `${name} fills ${column} of rows that exist with values that are other ones at each site.`,
      );
    }
  }
}

interface VaryingDefault {
  id: string;
  column: string;
  oid: string;
  file: string;
  /** The default's value of the moment stands in for the rows that exist. */
  stored: string;
}

/** Columns whose default calls anything that is not immutable; Postgres keeps the expression as a tree of nodes. */
async function varyingDefaults(client: ClientBase, names: string[]): Promise<VaryingDefault[]> {
  const { rows } = await client.query<VaryingDefault>(
    `SELECT a.attrelid || ' ' || a.attnum AS id, t.name || '.' || a.attname AS column, t.oid, t.file,
            a.atthasmissing::text AS stored
     FROM (${tablesQuery}) t
     JOIN pg_attribute a ON a.attrelid = t.oid AND NOT a.attisdropped AND a.attgenerated = ''
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attidentity <> ''
        OR d.adbin::text ~ 'SQLVALUEFUNCTION|NEXTVALUEEXPR'
        OR EXISTS (SELECT FROM regexp_matches(d.adbin::text, ':(?:op)?funcid (\\d+)', 'g') m
                   JOIN pg_proc p ON p.oid = m[1]::oid WHERE p.provolatile <> 'i')`,
    [names],
  );
  return rows;
}
