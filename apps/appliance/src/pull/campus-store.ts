/**
 * What the follower needs of the campus's database: commits, and inside a commit rows, the feed's cursor, and the entries
 * that wait. Postgres is one such store (`postgres-campus.ts`); the simulation has another.
 */
import type { Catalog, FeedEntry, FeedHead, RowStore, Stamp } from '@skooly-edge/sync-protocol';

export interface CampusStore {
  /**
   * Does the work in one transaction of the campus, written under an apply origin, and commits it. Whatever the work
   * throws undoes all of it. The work is begun anew when a local writer stood in its way: it must not have effects of
   * its own.
   */
  commit<T>(work: (commit: CampusCommit) => Promise<T>, signal: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

export interface CampusCommit {
  readonly catalog: Catalog;
  readonly rows: RowStore;
  /** The last entry of the feed that is applied here, locked until the commit. */
  cursor(): Promise<FeedCursor>;
  /** The feed goes on under another epoch of the cloud from `forkSeq`; what waits of it beyond comes again. */
  switchEpoch(epoch: string, forkSeq: number): Promise<void>;
  moveCursor(last: FeedHead): Promise<void>;
  /** Something may be kept that this campus's schema has no place for. */
  readonly keepsUnknown: boolean;
  /** @returns the entries without what this campus's schema has no place for; that is kept until it has. */
  keep(entries: readonly FeedEntry[]): Promise<FeedEntry[]>;
  /** @returns what was kept and has a place now, with its own stamps, no longer kept. At most once in a commit. */
  learned(): Promise<FeedEntry[]>;
  /** The oldest stamps of what is kept, one for each epoch. */
  keptStamps(): Promise<Stamp[]>;
  /** @param committedAt Microseconds since 1970-01-01 UTC: what the commit is dated with. */
  date(committedAt: number): Promise<void>;
  /** The entries that wait, in order. */
  waiting(): Promise<FeedEntry[]>;
  addWaiting(entry: FeedEntry, kind: string, detail: string): Promise<void>;
  removeWaiting(seq: number): Promise<void>;
}

export interface FeedCursor {
  /** The cloud's epoch that is followed. */
  epoch: string;
  seq: number;
  /** Entries up to here may be of earlier epochs. */
  forkSeq: number;
}
