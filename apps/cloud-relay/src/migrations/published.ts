/** What the cloud has published, for a box that is behind. */
import { readSchemaNumber, type SignedMigration } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';

/** One answer holds at most this many migrations, of at most 1 MiB each; the box asks again for those behind them. */
export const maxMigrationsInAnswer = 5;

export interface PublishedMigrations {
  /** The last number that the cloud has taken in. */
  number: number;
  /** In order; those that follow the number that was asked for. */
  migrations: SignedMigration[];
}

export async function readPublished(pool: Pool, after: number): Promise<PublishedMigrations> {
  const { rows } = await pool.query<Record<string, string | null>>(
    `SELECT number, name, sql, sync_map, signature FROM sync.migration
     WHERE number > $1 AND signature <> '' ORDER BY number LIMIT ${maxMigrationsInAnswer}`,
    [after],
  );
  const migrations = rows.map((row) => ({
    number: Number(row.number),
    name: row.name ?? '',
    sql: row.sql ?? '',
    syncMap: row.sync_map ?? null,
    signature: row.signature ?? '',
  }));
  return { number: await readSchemaNumber(pool), migrations };
}
