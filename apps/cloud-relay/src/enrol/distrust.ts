/**
 * Takes campuses that are revoked off Skooly's trusted keys file, so that sessions which their boxes sign are worth nothing.
 * Skooly reads the file anew when it changes. The file is replaced whole; a reader sees the old one or the new one.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { ClientBase, Pool } from 'pg';

/** @returns the campuses that were taken off. @throws Error when the file cannot be read or written. */
export function distrust(file: string, campuses: readonly string[]): string[] {
  const keys = JSON.parse(readFileSync(file, 'utf8')) as { site: string }[];
  const gone = keys.filter(({ site }) => campuses.includes(site));
  if (gone.length === 0) return [];
  const kept = keys.filter((key) => !gone.includes(key));
  const next = `${file}.${randomUUID()}`;
  try {
    writeFileSync(next, `${JSON.stringify(kept, null, 2)}\n`, {
      mode: statSync(file).mode & 0o777,
      flush: true,
    });
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  return gone.map(({ site }) => site);
}

export async function revokedCampuses(client: ClientBase | Pool): Promise<string[]> {
  const { rows } = await client.query<{ campus: string }>(
    'SELECT campus FROM sync.campus WHERE revoked_at IS NOT NULL',
  );
  return rows.map(({ campus }) => campus);
}
