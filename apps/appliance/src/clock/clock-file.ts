/** The stretches on disk, so that a commit of an earlier boot can still be dated after a power cut. Durable on return. */
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Measurement, Stretch } from './stretch.ts';

/** More are not kept: the oldest are forgotten, and what was committed in them can no longer be dated. Years of daily boots. */
const maxStretches = 2_000;

const schema = `
  CREATE TABLE IF NOT EXISTS boot (
    place INTEGER PRIMARY KEY,
    boot TEXT NOT NULL,
    part INTEGER NOT NULL,
    base INTEGER,
    error INTEGER,
    measured_mono INTEGER,
    since_base INTEGER,
    since_error INTEGER,
    since_mono INTEGER,
    earliest INTEGER NOT NULL,
    first_wall INTEGER NOT NULL,
    first_mono INTEGER NOT NULL,
    last_wall INTEGER NOT NULL,
    last_mono INTEGER NOT NULL,
    last_commit_mono INTEGER,
    UNIQUE (boot, part)
  );
`;

interface StretchRow {
  boot: string;
  part: number;
  base: number | null;
  error: number | null;
  measured_mono: number | null;
  since_base: number | null;
  since_error: number | null;
  since_mono: number | null;
  earliest: number;
  first_wall: number;
  first_mono: number;
  last_wall: number;
  last_mono: number;
  last_commit_mono: number | null;
}

export interface ClockFile {
  /** In the order in which they were. */
  read(): Stretch[];
  /** Adds the stretch behind all others, or replaces what is known of it. */
  write(stretch: Stretch): void;
  close(): void;
}

/**
 * A damaged file is set aside, and a new one begun: what was committed in earlier boots and not pushed yet cannot be dated
 * then, which is no reason for the box not to start.
 *
 * @param stateDir Folder of the appliance's state; made if missing.
 */
export function openClockFile(stateDir: string): ClockFile {
  mkdirSync(stateDir, { recursive: true });
  const path = join(stateDir, 'clock.sqlite');
  try {
    return clockFile(openDatabase(path));
  } catch (error) {
    const { code = '' } = error as { code?: string };
    if (!code.startsWith('SQLITE_CORRUPT') && code !== 'SQLITE_NOTADB') throw error;
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.damaged${suffix}`);
    return clockFile(openDatabase(path));
  }
}

function openDatabase(path: string): Database.Database {
  const database = new Database(path);
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec(schema);
    database.prepare('SELECT count(*) FROM boot').get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function clockFile(database: Database.Database): ClockFile {
  const all = database.prepare('SELECT * FROM boot ORDER BY place');
  const forget = database.prepare('DELETE FROM boot WHERE place <= (SELECT max(place) FROM boot) - ?');
  const write = database.prepare(`
    INSERT INTO boot (boot, part, base, error, measured_mono, since_base, since_error, since_mono, earliest,
      first_wall, first_mono, last_wall, last_mono, last_commit_mono)
    VALUES (@boot, @part, @base, @error, @measured_mono, @since_base, @since_error, @since_mono, @earliest,
      @first_wall, @first_mono, @last_wall, @last_mono, @last_commit_mono)
    ON CONFLICT (boot, part) DO UPDATE SET base = excluded.base, error = excluded.error,
      measured_mono = excluded.measured_mono, since_base = excluded.since_base, since_error = excluded.since_error,
      since_mono = excluded.since_mono, last_wall = excluded.last_wall, last_mono = excluded.last_mono,
      last_commit_mono = excluded.last_commit_mono`);
  return {
    read: () => (all.all() as StretchRow[]).map(fromRow),
    write: (stretch) => {
      if (write.run(toRow(stretch)).changes > 0) forget.run(maxStretches);
    },
    close: () => database.close(),
  };
}

function toRow({ boot, part, measured, since, earliest, first, last, lastCommit }: Stretch): StretchRow {
  return {
    boot,
    part,
    base: measured?.base ?? null,
    error: measured?.error ?? null,
    measured_mono: measured?.mono ?? null,
    since_base: since?.base ?? null,
    since_error: since?.error ?? null,
    since_mono: since?.mono ?? null,
    earliest,
    first_wall: first.wall,
    first_mono: first.mono,
    last_wall: last.wall,
    last_mono: last.mono,
    last_commit_mono: lastCommit,
  };
}

function fromRow(row: StretchRow): Stretch {
  return {
    boot: row.boot,
    part: row.part,
    measured: measurement(row.base, row.error, row.measured_mono),
    since: measurement(row.since_base, row.since_error, row.since_mono),
    earliest: row.earliest,
    first: { wall: row.first_wall, mono: row.first_mono },
    last: { wall: row.last_wall, mono: row.last_mono },
    lastCommit: row.last_commit_mono,
  };
}

function measurement(base: number | null, error: number | null, mono: number | null): Measurement | null {
  return base === null || error === null || mono === null ? null : { base, error, mono };
}
