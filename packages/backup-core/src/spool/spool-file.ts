/**
 * The SQLite file of the spool: what is queued for whom. A damaged one is set aside and a new one begins, since what must not
 * be lost can be read again: the objects that wait from the notes beside them, everything older from the signed manifest.
 */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { SpoolError } from './errors.ts';

export const spoolFileName = 'spool.sqlite';
const version = 1;

const schema = `
  create table object (
    name text primary key, kind text not null, priority integer not null, bytes integer not null,
    sealed text not null, sealed_at integer not null,
    /* 0: nothing of it is on this disk any more. */
    on_disk integer not null,
    /* The manifest entry that names it. */
    entry integer
  );
  create index object_unlisted on object (priority) where entry is null;
  create index object_kind on object (kind, sealed_at);
  create index object_on_disk on object (on_disk) where on_disk = 1;
  /* Places in the WAL as bytes from its beginning. */
  create table wal (
    name text primary key references object on delete cascade, system text not null, timeline integer not null,
    start_at integer not null, end_at integer not null, closed_at integer not null
  ) without rowid;
  create index wal_place on wal (timeline, start_at);
  create table copy (
    region text not null, name text not null references object on delete cascade,
    /* Null: waits. */
    stored_at integer, version text, locked_until integer,
    not_before integer not null default 0, attempts integer not null default 0, multipart text,
    primary key (region, name)
  ) without rowid;
  create index copy_waiting on copy (region, name) where stored_at is null;
  create index copy_name on copy (name);
  /* Entries are put in order: the region has every one up to this. */
  create table region_head (region text primary key, number integer not null) without rowid;
  create table taken (
    file text not null, system text not null, sha256 text not null, primary key (file, system)
  ) without rowid;
  create table fact (key text primary key, value text not null) without rowid;
  create table note (at integer not null, code text not null, name text, detail text not null);
`;

export interface SpoolFile {
  readonly database: Database.Database;
  /** A new file knows nothing of what the regions hold. */
  readonly fresh: boolean;
  readonly setAside: string | null;
}

export function openSpoolFile(folder: string, now: Date): SpoolFile {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, spoolFileName);
  if (!existsSync(path)) return { database: open(path), fresh: true, setAside: null };
  try {
    return { database: open(path), fresh: false, setAside: null };
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    const setAside = `${path}.corrupt-${now.toISOString().replaceAll(/[:.]/g, '-')}`;
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(path + suffix)) renameSync(path + suffix, setAside + suffix);
    return { database: open(path), fresh: true, setAside };
  }
}

function open(path: string): Database.Database {
  const database = new Database(path);
  try {
    if (database.pragma('quick_check(1)', { simple: true }) !== 'ok') throw new CorruptSpool();
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    const found = database.pragma('user_version', { simple: true }) as number;
    if (found > version)
      throw new SpoolError('SPOOL_TOO_NEW', `${path} has version ${found}, this program knows ${version}.`);
    if (found === 0)
      database.transaction(() => {
        database.exec(schema);
        database.pragma(`user_version = ${version}`);
      })();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class CorruptSpool extends Error {}

function isCorrupt(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return error instanceof CorruptSpool || code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB';
}
