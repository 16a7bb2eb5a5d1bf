/**
 * The owner of the school's tables may take in new ones: the publication is theirs, and they may record a migration. They
 * can do anything to those tables as it is; the engine's daemons go on without any right to change structure.
 */
import type { ClientBase } from 'pg';
import { publicationName, quoteName } from '../session.ts';

/** Where the tables have several owners, only a superuser can run migrations, and nothing is handed over. */
export async function prepareMigrationRole(client: ClientBase, tables: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ owner: string }>(
    `SELECT DISTINCT pg_get_userbyid(c.relowner) AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname <> 'sync' AND n.nspname || '.' || c.relname = ANY ($1)`,
    [tables],
  );
  const [only] = rows;
  if (!only || rows.length > 1) return;
  const owner = quoteName(only.owner);
  await client.query(`
    ALTER PUBLICATION ${publicationName} OWNER TO ${owner};
    GRANT USAGE ON SCHEMA sync TO ${owner};
    GRANT SELECT, INSERT ON sync.migration TO ${owner};`);
}
