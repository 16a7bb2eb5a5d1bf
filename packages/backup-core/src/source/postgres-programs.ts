/** Finds a Postgres client program of exactly the server's major version: pg_dump refuses newer servers, and a newer pg_dump writes what an older pg_restore cannot read. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SourceError } from './errors.ts';

const debianRoot = '/usr/lib/postgresql';

export function postgresProgram(name: string, serverVersion: string, root = debianRoot): string {
  const major = majorOf(serverVersion);
  const path = join(root, String(major), 'bin', name);
  if (existsSync(path)) return path;
  const installed = existsSync(root) ? readdirSync(root).filter((dir) => /^\d+$/.test(dir)) : [];
  const others = installed.length > 0 ? `only of ${installed.join(', ')}` : 'of no version';
  throw new SourceError(
    'SOURCE_NO_BINARY',
    `The server is PostgreSQL ${major}, but ${root} has ${name} ${others}.`,
  );
}

/** `15.18 (Debian 15.18-0+deb12u1)` → 15. */
export function majorOf(serverVersion: string): number {
  const major = Number(/^(\d+)/.exec(serverVersion)?.[1]);
  if (!Number.isInteger(major)) throw new TypeError(`${serverVersion} is no version of Postgres.`);
  return major;
}
