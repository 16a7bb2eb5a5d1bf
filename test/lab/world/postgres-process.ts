import { join } from 'node:path';
import { readPassword } from '../postgres/cluster.ts';
import { startPostgres } from '../postgres/postgres.ts';
import type { Settings } from '../postgres/settings.ts';
import type { Launched, ProcessSpec } from '../processes/kept-process.ts';

export interface PostgresProcess {
  readonly name: string;
  readonly dir: string;
  readonly port: number;
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string>> | undefined;
  /** A sentence for a person about where the data is. */
  onNote(note: string): void;
}

export function postgresProcess({
  name,
  dir,
  port,
  settings,
  env = {},
  onNote,
}: PostgresProcess): ProcessSpec {
  return {
    name,
    async launch(onSpawn): Promise<Launched> {
      const postgres = await startPostgres({ dir, port, settings, env, onSpawn });
      if (postgres.note !== null) onNote(postgres.note);
      return postgres;
    },
  };
}

/** Superuser's URL; the cluster must have been made. */
export function superuserUrl(dir: string, port: number, database: string): string {
  return roleUrl('postgres', readPassword(dir), port, database);
}

export function roleUrl(role: string, password: string, port: number, database: string): string {
  return `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

export function postgresLog(dir: string): string {
  return join(dir, 'postgres.log');
}
