/**
 * Which migration a database is at. The engine counts in `sync.migration`; Skooly's own `migrate` records in `public.skooly_migration`,
 * by name and hash of the text. Where that table exists both are kept, so that either finds what the other has run.
 */
import type { ClientBase } from 'pg';

type Asks = Pick<ClientBase, 'query'>;

export async function hasApplicationRecord(client: Asks): Promise<boolean> {
  const { rows } = await client.query<{ found: string }>(
    `SELECT (to_regclass('public.skooly_migration') IS NOT NULL)::text AS found`,
  );
  return rows[0]?.found === 'true';
}

/** The number of the last migration that this site has taken in. */
export async function readSchemaNumber(client: Asks): Promise<number> {
  const { rows } = await client.query<{ number: string }>('SELECT max(number) AS number FROM sync.migration');
  return Number(rows[0]?.number ?? 0);
}

/** Where the site stands when it is prepared for the first time: its structure and the given sync map are of that number. */
export async function recordBaseline(client: Asks): Promise<void> {
  const known = await hasApplicationRecord(client);
  const number = known
    ? `(SELECT coalesce(max(substring(name FROM '^[0-9]+')::integer), 0) FROM public.skooly_migration)`
    : '0';
  await client.query(
    `INSERT INTO sync.migration (number, name, sql, signature)
     SELECT ${number}, 'as prepared', '', '' WHERE NOT EXISTS (SELECT FROM sync.migration)`,
  );
}
