/** A Postgres cluster of its own for what a shared one cannot show: archiving, base backups. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type PostgresInstance, startPostgres } from '../../../../test/lab/postgres/postgres.ts';

export interface TestCluster extends AsyncDisposable {
  readonly postgres: PostgresInstance;
  readonly dir: string;
  query<T = Record<string, unknown>>(sql: string): Promise<T[]>;
}

export async function startCluster(
  settings: Record<string, string | number | boolean> = {},
): Promise<TestCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-backup-'));
  chmodSync(dir, 0o755);
  const fast = { fsync: false, synchronous_commit: false };
  const postgres = await startPostgres({ dir, settings: { ...fast, ...settings } });
  const client = new pg.Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();
  return {
    postgres,
    dir,
    query: async (sql) => (await client.query(sql)).rows,
    async [Symbol.asyncDispose]() {
      await client.end().catch(() => undefined);
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
