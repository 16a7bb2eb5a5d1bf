/**
 * The one message of the protocol: a transaction, in both directions.
 *
 * Values are Postgres text, exactly as the server's output functions print them under the pinned settings
 * (`postgres/session.ts`), or null. Nothing here ever becomes a JavaScript date or number: microseconds and
 * digits would be lost, and comparing `before` with the current row would stop holding.
 */

/** A column's value in Postgres text form; null is SQL NULL. */
export type Value = string | null;

/** Column name → value. */
export type Row = Record<string, Value>;

export type Operation = 'insert' | 'update' | 'delete';

/** One row's change. `before` and `after` hold the changed columns: all of them for an insert or a delete. */
export interface Change {
  /** Schema-qualified table name, `public.pupil`. */
  table: string;
  /** The primary key: its columns in alphabetical order. */
  key: Row;
  op: Operation;
  before: Row | null;
  after: Row | null;
  /** In a feed: the row was not deleted or inserted, it went to another campus or came from one. */
  moved?: boolean;
  /** Who wrote the row, as far as the sync map names a column that tells (`by`). */
  by?: Value;
}

/** A transaction of one site, applied whole or not at all. */
export interface Transaction {
  /** Position in the origin's order within its epoch; starts at 1, without gaps. */
  seq: number;
  /** Commit time at the origin: microseconds since 1970-01-01 UTC. */
  committedAt: number;
  /** The boot of the origin in which it was committed, see `clock/clock.ts`. */
  boot?: string;
  /** Microseconds of that boot's monotonic clock at the commit. */
  mono?: number;
  /** A part: the transaction goes on with the next seq. What it changes counts with its last part, and with all of them. */
  more?: boolean;
  /** Tables that were truncated in it. TRUNCATE is never replicated: such a transaction is parked. */
  truncated?: string[];
  changes: Change[];
}

/**
 * A correction: the whole row as it stands at the end of an authority's commit, or null when there is none.
 * The follower treats it as any other entry of its feed.
 */
export interface Correction {
  table: string;
  key: Row;
  row: Row | null;
}

/** What a campus has had applied in the cloud: its log's epoch and the last seq. */
export interface Stamp {
  epoch: string;
  seq: number;
}

/** One entry of a campus's feed: a commit of the cloud as far as it concerns that campus. */
export interface FeedEntry {
  /** The cloud's epoch in which the commit was made. */
  epoch: string;
  /** Position in the campus's feed; starts at 1, without gaps, and goes on from one epoch to the next. */
  seq: number;
  /** The campus transactions that the cloud had applied when it made this commit. */
  stamp: Stamp;
  committedAt: number;
  /** Where the commit ends in the cloud's WAL: its name within the cloud's epoch, the same in every campus's feed. */
  lsn: number;
  /** A part: the commit goes on in the next entry. Applied with its last part, all of them or none. */
  more?: boolean;
  changes: Change[];
  corrections: Correction[];
}

/** Identity of a row across sites; stable text, fit for a map key. */
export function rowId(table: string, key: Row): string {
  return `${table} ${JSON.stringify(Object.values(key))}`;
}

/** The key of `row`: `keyColumns` must be in alphabetical order. */
export function keyOf(row: Row, keyColumns: readonly string[]): Row {
  const key: Row = {};
  for (const column of keyColumns) key[column] = row[column] ?? null;
  return key;
}
