import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LabError } from '../errors.ts';

export const OLDEST_MAJOR = 15;
const DEBIAN_ROOT = '/usr/lib/postgresql';

export interface PostgresBinaries {
  readonly major: number;
  readonly postgres: string;
  readonly initdb: string;
}

/**
 * The newest Postgres server of this machine: Debian's folders first, then `pg_config`, then PATH. Debian keeps
 * the server's programs off PATH.
 */
export function findPostgres(debianRoot = DEBIAN_ROOT, path = process.env.PATH ?? ''): PostgresBinaries {
  const found = [...debianFolders(debianRoot), ...pgConfigFolder(path), ...path.split(delimiter)]
    .filter((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')))
    .map((folder) => ({ folder, major: majorOf(join(folder, 'postgres')) }));
  const best = found.find(({ major }) => major >= OLDEST_MAJOR);
  if (best) {
    const { folder, major } = best;
    return { major, postgres: join(folder, 'postgres'), initdb: join(folder, 'initdb') };
  }
  const newest = found[0];
  throw newest
    ? new LabError(
        'POSTGRES_TOO_OLD',
        `PostgreSQL ${newest.major} in ${newest.folder} is older than ${OLDEST_MAJOR}.`,
        `Install PostgreSQL ${OLDEST_MAJOR} or later.`,
      )
    : new LabError(
        'POSTGRES_MISSING',
        'This machine has no PostgreSQL server.',
        'Install it: apt-get install postgresql',
      );
}

function debianFolders(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(b) - Number(a))
    .map((name) => join(root, name, 'bin'));
}

function pgConfigFolder(path: string): string[] {
  try {
    const env = { ...process.env, PATH: path };
    const folder = execFileSync('pg_config', ['--bindir'], { encoding: 'utf8', stdio: 'pipe', env });
    return [folder.trim()];
  } catch {
    return [];
  }
}

function majorOf(postgres: string): number {
  try {
    const text = execFileSync(postgres, ['--version'], { encoding: 'utf8' });
    return Number(/(\d+)(\.|devel|beta|rc|\s|$)/.exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
