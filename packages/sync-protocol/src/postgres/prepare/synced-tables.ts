/**
 * What makes a table a synced one: the engine's role may read and write it, the publication has it, and its updates tell the whole old row.
 * Only what is missing is changed, so that the owner of the tables may do it too, within the migration that makes a table.
 */
import type { ClientBase } from 'pg';
import type { SyncMap } from '../../sync-map/sync-map.ts';
import { publicationName, quoteName, quoteTable } from '../session.ts';

/** The role that the engine's daemons use. */
export const syncRole = 'skooly_sync';

/** Brings publication, replica identity and grants to what the sync map says. The publication is there already. */
export async function takeInTables(client: ClientBase, syncMap: SyncMap): Promise<void> {
  await grantSchemas(client, [...syncMap.tables.keys()]);
  for (const table of syncMap.tables.keys()) await takeInTable(client, table);
  await dropForeign(client, syncMap);
}

async function takeInTable(client: ClientBase, table: string): Promise<void> {
  const name = quoteTable(table);
  const { rows } = await client.query<Record<string, string>>(
    `SELECT c.relreplident AS identity,
            EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
                    WHERE p.pubname = $2 AND r.prrelid = c.oid)::text AS published,
            (SELECT bool_and(has_table_privilege($3, c.oid, privilege))
             FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege)::text AS granted
     FROM pg_class c WHERE c.oid = $1::regclass`,
    [name, publicationName, syncRole],
  );
  const { identity, published, granted } = rows[0] ?? {};
  if (granted !== 'true')
    await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ${quoteName(syncRole)}`);
  if (identity !== 'f') await client.query(`ALTER TABLE ${name} REPLICA IDENTITY FULL`);
  if (published !== 'true') await client.query(`ALTER PUBLICATION ${publicationName} ADD TABLE ${name}`);
}

async function grantSchemas(client: ClientBase, tables: readonly string[]): Promise<void> {
  const schemas = new Set(tables.map((table) => table.slice(0, table.indexOf('.'))));
  for (const schema of schemas) {
    const { rows } = await client.query<{ granted: string }>(
      `SELECT has_schema_privilege($1, $2, 'USAGE')::text AS granted`,
      [syncRole, schema],
    );
    if (rows[0]?.granted !== 'true') {
      await client.query(`GRANT USAGE ON SCHEMA ${quoteName(schema)} TO ${quoteName(syncRole)}`);
    }
  }
}

/** A table that the map no longer names is no longer read. */
async function dropForeign(client: ClientBase, syncMap: SyncMap): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables WHERE pubname = $1`,
    [publicationName],
  );
  for (const { name } of rows) {
    if (!syncMap.tables.has(name)) {
      await client.query(`ALTER PUBLICATION ${publicationName} DROP TABLE ${quoteTable(name)}`);
    }
  }
}
