/**
 * Opens the log's SQLite file so that it is durable, gives pages back, and is sound. A damaged file is set aside under a
 * name that tells when, never deleted, and a new one begins in its place: what only the damaged one held is found again by
 * a resync.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { migrate } from './log-schema.ts';

export const logFileName = 'sync-log.sqlite';

/** After a checkpoint the WAL beside the file is cut to this. */
const maxIdleWalBytes = 4 * 1024 * 1024;

/** How the file was found. */
export type LogFreshness = 'new' | 'existing' | 'replaced-corrupt';

export interface LogFile {
  database: Database.Database;
  fresh: LogFreshness;
  /** With `replaced-corrupt`: where the damaged file is now. */
  setAside: string | null;
}

/** @param now Names the file that is set aside. */
export function openLogFile(stateDir: string, now: Date): LogFile {
  mkdirSync(stateDir, { recursive: true });
  const path = join(stateDir, logFileName);
  if (!existsSync(path)) return { database: openFile(path), fresh: 'new', setAside: null };
  try {
    return { database: openFile(path), fresh: 'existing', setAside: null };
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    const setAside = putAside(path, now);
    return { database: openFile(path), fresh: 'replaced-corrupt', setAside };
  }
}

/**
 * Commits survive a power cut once they are settled (`wal-sync.ts`), and pages that were given up can be handed back to the disk
 * (auto_vacuum).
 */
export function openFile(path: string): Database.Database {
  const database = new Database(path);
  try {
    // First of all: a damaged file is to be set aside as it was found.
    const verdict = database.pragma('quick_check(1)', { simple: true });
    if (verdict !== 'ok') throw new CorruptLog(String(verdict));
    database.pragma('auto_vacuum = INCREMENTAL');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma(`journal_size_limit = ${maxIdleWalBytes}`);
    migrate(database);
    givePagesBack(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A file that began without the setting is written anew once. */
function givePagesBack(database: Database.Database): void {
  const incremental = 2;
  if (database.pragma('auto_vacuum', { simple: true }) !== incremental) database.exec('VACUUM');
}

class CorruptLog extends Error {}

function isCorrupt(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return error instanceof CorruptLog || code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}

function putAside(path: string, now: Date): string {
  const name = `${path}.corrupt-${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  let aside = name;
  for (let count = 2; existsSync(aside); count++) aside = `${name}-${count}`;
  for (const suffix of ['', '-wal', '-shm']) {
    if (existsSync(path + suffix)) renameSync(path + suffix, aside + suffix);
  }
  return aside;
}
