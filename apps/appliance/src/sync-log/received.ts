/**
 * Feed entries as they came from the cloud, kept as long as this campus's own acknowledged transactions: when the cloud is
 * restored to an earlier point, what it has lost since is given back from here.
 */
import type Database from 'better-sqlite3';

export interface ReceivedEntry {
  /** The cloud's epoch. */
  epoch: string;
  /** Position in this campus's feed within that epoch. */
  seq: number;
  stampEpoch: string;
  stampSeq: number;
  /** Microseconds since 1970-01-01 UTC. */
  committedAt: number;
  /** Where the commit ended in the cloud's WAL. */
  lsn: number;
  /** As it stood in the feed. */
  body: string;
  /** The cloud's proof that the entry is its own. */
  seal: string;
}

interface ReceivedRow {
  epoch: string;
  seq: number;
  stamp_epoch: string;
  stamp_seq: number;
  committed_at: number;
  lsn: number;
  body: string;
  seal: string;
}

export class Received {
  readonly #insert: Database.Statement;
  readonly #after: Database.Statement;
  readonly #last: Database.Statement;
  readonly #first: Database.Statement;
  readonly #database: Database.Database;

  constructor(database: Database.Database) {
    this.#database = database;
    this.#insert = database.prepare(
      'INSERT INTO received (epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#after = database.prepare(
      'SELECT epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal FROM received WHERE epoch = ? AND seq > ? ORDER BY seq LIMIT ?',
    );
    this.#first = database.prepare('SELECT min(seq) AS seq FROM received WHERE epoch = ?');
    this.#last = database.prepare('SELECT max(seq) AS seq FROM received WHERE epoch = ?');
  }

  /** All of them or none; those that are here already stay as they were. */
  keep(entries: readonly ReceivedEntry[], nowMs: number | null): void {
    this.#database.transaction(() => {
      for (const { epoch, seq, stampEpoch, stampSeq, committedAt, lsn, body, seal } of entries)
        this.#insert.run(epoch, seq, stampEpoch, stampSeq, committedAt, lsn, body, seal, nowMs);
    })();
  }

  after(epoch: string, seq: number, limit: number): ReceivedEntry[] {
    const rows = this.#after.all(epoch, seq, limit) as ReceivedRow[];
    return rows.map(({ stamp_epoch, stamp_seq, committed_at, ...same }) => ({
      ...same,
      stampEpoch: stamp_epoch,
      stampSeq: stamp_seq,
      committedAt: committed_at,
    }));
  }

  /** The first seq kept of this epoch; null when there is none. */
  first(epoch: string): number | null {
    return (this.#first.get(epoch) as { seq: number | null }).seq;
  }

  /** The last seq received in this epoch; 0 when there is none. */
  last(epoch: string): number {
    return (this.#last.get(epoch) as { seq: number | null }).seq ?? 0;
  }
}
