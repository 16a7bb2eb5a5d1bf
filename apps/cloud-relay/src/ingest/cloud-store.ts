/**
 * What ingest needs of the cloud's database: commits, and inside a commit rows, cursors, history, parked transactions and
 * messages for the feed writer. Postgres is one such store (`postgres-cloud.ts`); the simulation has another.
 */
import type { Catalog, Change, Row, RowStore, Table } from '@skooly-edge/sync-protocol';
import type { DatedTransaction } from './dated.ts';
import type { RefusalKind } from './refusal.ts';

export interface CloudStore {
  /**
   * Does the work in one transaction of the cloud, written under an apply origin, and commits it. Whatever the work
   * throws undoes all of it. The work is begun anew when another session stood in its way: it must not have effects
   * of its own.
   */
  commit<T>(work: (commit: CloudCommit) => Promise<T>): Promise<T>;
}

export interface CloudCommit {
  readonly catalog: Catalog;
  readonly rows: RowStore;
  readonly parked: ParkedStore;
  readonly salvage: SalvageStore;
  readonly parts: PartStore;
  /** It has been begun anew as often as it will be: a row that still is in the way is a reason to park. */
  readonly lastAttempt?: boolean;
  /** The last transaction of this log that is applied here (0: none), locked until the commit. */
  lockCursor(campus: string, epoch: string): Promise<number>;
  moveCursor(campus: string, epoch: string, seq: number): Promise<void>;
  /** @param committedAt Microseconds since 1970-01-01 UTC: what the commit is dated with. */
  date(committedAt: number): Promise<void>;
  history(campus: string): RowHistory;
  /** Says something to the feed writer in the order of the commits. */
  emit(prefix: string, message: object): Promise<void>;
}

/** When the cloud last changed a row, as far as one campus can see. */
export interface RowHistory {
  /** Commit time of the row's last change in the cloud, microseconds since 1970; null when the row does not exist. */
  rowChangedAt(table: Table, key: Row): Promise<number | null>;
  /** Whether the cloud changed `column` (null: anything of the row) at `since` or later; a tie goes to the cloud. */
  changedSince(table: Table, key: Row, column: string | null, since: number): Promise<boolean>;
  /** The row as it stood when the cloud deleted it; null when nobody knows any more. */
  lastKnown(table: Table, key: Row): Promise<Row | null>;
}

/** A transaction that waits whole, with its reason. */
export interface ParkedTransaction {
  campus: string;
  epoch: string;
  kind: RefusalKind;
  /** One sentence for a person. */
  detail: string;
  transaction: DatedTransaction;
  /** Its entry in the inbox. */
  conflictId: string;
  /** It is worth another try when one of these tables changes. */
  waitsFor: readonly string[];
}

export interface ParkedStore {
  add(parked: ParkedTransaction): Promise<void>;
  remove(campus: string, epoch: string, seq: number): Promise<void>;
  /** Sets it aside for good, so that it can be fetched back for as long as a decision can be undone. */
  drop(campus: string, epoch: string, seq: number): Promise<void>;
  /**
   * Takes out of what was set aside the transactions about which something else is decided by now.
   *
   * @returns these, and with `dropped` null the entries whose decision there is nothing to carry out on: one that is taken back
   *   (`undrop`) without having been carried out, and one to drop what has gone through.
   */
  takeBack(campus: string): Promise<{ conflictId: string; dropped: ParkedTransaction | null }[]>;
  /** A campus's parked transactions, the earliest first. */
  list(campus: string): Promise<ParkedTransaction[]>;
  count(campus: string): Promise<number>;
  /** The epochs of the logs that they come from. */
  epochs(campus: string): Promise<string[]>;
  /** Identities of rows that a campus's parked transactions touch → the kind of refusal that they wait for. */
  waitingRows(campus: string): Promise<Map<string, RefusalKind>>;
}

/** Parts of the one transaction of a log whose last part has not come. */
export interface PartStore {
  open(campus: string, epoch: string): Promise<boolean>;
  add(campus: string, epoch: string, part: DatedTransaction): Promise<void>;
  /** The part that follows `seq`; null when there is none. */
  after(campus: string, epoch: string, seq: number): Promise<DatedTransaction | null>;
  clear(campus: string, epoch: string): Promise<void>;
}

/** What campuses have given back since the cloud was restored. */
export interface SalvageStore {
  /** Where the feed of that epoch was cut off, and how far the campus has given back, locked; null for an unknown epoch. */
  point(campus: string, epoch: string): Promise<{ forkSeq: number; givenSeq: number } | null>;
  moveGiven(campus: string, epoch: string, seq: number): Promise<void>;
  /** Which of the changes of that lost commit some campus has given back already. */
  known(epoch: string, lsn: number, changes: readonly Change[]): Promise<boolean[]>;
  remember(epoch: string, lsn: number, changes: readonly Change[]): Promise<void>;
}
