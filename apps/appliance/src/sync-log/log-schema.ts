/**
 * The tables of the log's file. `PRAGMA user_version` counts the steps that are done; opening does the rest, each in a
 * transaction of its own. A step that was released is never edited: what is new is a further step.
 */
import type Database from 'better-sqlite3';
import { LogError } from './errors.ts';

/** What a file of any age may have already. */
const beginnings = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS txn (
    seq INTEGER PRIMARY KEY,
    committed_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS touch (
    row_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    op TEXT NOT NULL,
    columns TEXT,
    place INTEGER NOT NULL,
    PRIMARY KEY (row_id, seq, place)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS touch_by_seq ON touch (seq);
`;

/** Feed entries as they came, and when which acknowledgement was heard: what retention goes by. */
const received = `
  CREATE TABLE received (
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    stamp_epoch TEXT NOT NULL,
    stamp_seq INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    lsn INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal TEXT NOT NULL,
    received_at INTEGER,
    PRIMARY KEY (epoch, seq)
  ) WITHOUT ROWID;
  CREATE INDEX received_by_time ON received (received_at);
  CREATE TABLE acknowledgement (at INTEGER PRIMARY KEY, seq INTEGER NOT NULL);
`;

/** Entries that came together, as they came. The same may come again with others behind them. */
const receivedBlocks = `
  CREATE TABLE received_block (
    epoch TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    seal TEXT NOT NULL,
    received_at INTEGER,
    block BLOB NOT NULL
  );
  CREATE UNIQUE INDEX received_block_by_seq ON received_block (epoch, last_seq, first_seq);
  CREATE INDEX received_block_by_time ON received_block (received_at);
`;

/** What was touched lies in stretches of transactions, see `touches.ts`, and is made behind the transactions. */
const touchStretches = `
  ALTER TABLE touch RENAME TO touch_by_row;
  CREATE TABLE touch (
    stretch INTEGER NOT NULL,
    row_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    op TEXT NOT NULL,
    columns TEXT,
    PRIMARY KEY (stretch, row_id, seq, place)
  ) WITHOUT ROWID;
  INSERT INTO touch SELECT seq / 16384, row_id, seq, place, op, columns FROM touch_by_row ORDER BY 1, 2, 3, 4;
  DROP TABLE touch_by_row;
  INSERT INTO meta SELECT 'touchedThrough', value FROM meta WHERE name = 'lastSeq';
`;

const steps = [beginnings, received, receivedBlocks, touchStretches];

/** @throws LogError LOG_TOO_NEW for a file of a later version. */
export function migrate(database: Database.Database): void {
  const done = database.pragma('user_version', { simple: true }) as number;
  if (done > steps.length) {
    throw new LogError(
      'LOG_TOO_NEW',
      `The sync log is of version ${done}; this appliance knows ${steps.length}.`,
    );
  }
  for (const [index, step] of steps.entries()) {
    if (index < done) continue;
    database.transaction(() => {
      database.exec(step);
      database.pragma(`user_version = ${index + 1}`);
    })();
  }
}
