import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { RestoreError } from '../errors.ts';

export interface Programs {
  readonly major: number;
  /** The folder of `postgres`, `initdb`, `pg_restore`, `pg_verifybackup`. */
  readonly folder: string;
}

const NEEDED = ['postgres', 'initdb', 'pg_restore', 'pg_verifybackup', 'pg_controldata'];

/** A server's files are opened by the same major version only. Debian keeps the programs of each in a folder of its own. */
export function findPrograms(
  major: number,
  debianRoot = '/usr/lib/postgresql',
  path = process.env.PATH ?? '',
): Programs {
  const folders = [join(debianRoot, String(major), 'bin'), ...pgConfigFolder(path), ...path.split(delimiter)];
  const folder = folders.find(
    (one) => NEEDED.every((name) => existsSync(join(one, name))) && majorOf(join(one, 'postgres')) === major,
  );
  if (folder !== undefined) return { major, folder };
  throw new RestoreError(
    'RESTORE_POSTGRES_MISSING',
    `The backup is of PostgreSQL ${major}, which this machine does not have.`,
  );
}

/** A dump is read by every later version too: after ten years its own may be gone. The oldest that is new enough. */
export function findProgramsFrom(major: number, debianRoot = '/usr/lib/postgresql'): Programs {
  const there = existsSync(debianRoot) ? readdirSync(debianRoot).map(Number) : [];
  const fitting = there.filter((one) => one > major).sort((a, b) => a - b);
  try {
    return findPrograms(major, debianRoot);
  } catch (error) {
    for (const later of fitting)
      if (existsSync(join(debianRoot, String(later), 'bin', 'initdb'))) return findPrograms(later);
    throw error;
  }
}

/** `15` of `15.18 (Debian 15.18-0+deb12u1)`. */
export function majorOfVersion(text: string): number {
  return Number(/(\d+)(\.|devel|beta|rc|\s|$)/.exec(text)?.[1] ?? 0);
}

function majorOf(postgres: string): number {
  try {
    return majorOfVersion(execFileSync(postgres, ['--version'], { encoding: 'utf8' }));
  } catch {
    return 0;
  }
}

function pgConfigFolder(path: string): string[] {
  try {
    const env = { ...process.env, PATH: path };
    return [execFileSync('pg_config', ['--bindir'], { encoding: 'utf8', stdio: 'pipe', env }).trim()];
  } catch {
    return [];
  }
}
