/**
 * Removes what is acknowledged, oldest first, a bounded slice at a time: the log is locked for milliseconds, and what is
 * pending is out of reach. Pages that come free are used again; the rest is handed back to the disk, in slices too.
 */
import type Database from 'better-sqlite3';
import type { Acknowledgements } from './acknowledgements.ts';
import type { Touches } from './touches.ts';

export interface LogUsage {
  /** Pages that hold something. */
  usedBytes: number;
  /** The file, without its WAL. */
  fileBytes: number;
  /** When the oldest of what may be removed was acknowledged or received; null when there is nothing such. */
  oldestMs: number | null;
}

/** A block counts as so many rows when it is removed. */
const rowsPerBlock = 100;

/** Free pages up to this much stay in the file, for what is appended next. */
const spareBytes = 8 * 1024 * 1024;

export class Trimming {
  readonly #database: Database.Database;
  readonly #acknowledgements: Acknowledgements;
  readonly #touches: Pick<Touches, 'reach'>;
  readonly #first: Database.Statement;
  readonly #removeTransactions: Database.Statement;
  readonly #removeReceived: Database.Statement;
  readonly #removeBlocks: Database.Statement;
  readonly #oldestReceived: Database.Statement;
  readonly #dateReceived: readonly Database.Statement[];

  constructor(
    database: Database.Database,
    acknowledgements: Acknowledgements,
    touches: Pick<Touches, 'reach'>,
  ) {
    this.#database = database;
    this.#acknowledgements = acknowledgements;
    this.#touches = touches;
    this.#first = database.prepare('SELECT min(seq) AS seq FROM txn');
    this.#removeTransactions = database.prepare('DELETE FROM txn WHERE seq >= ? AND seq <= ?');
    this.#removeReceived = database.prepare(
      `DELETE FROM received WHERE (epoch, seq) IN
         (SELECT epoch, seq FROM received WHERE received_at <= ? ORDER BY received_at, epoch, seq LIMIT ?)`,
    );
    this.#removeBlocks = database.prepare(
      `DELETE FROM received_block WHERE rowid IN
         (SELECT rowid FROM received_block WHERE received_at <= ? ORDER BY received_at, rowid LIMIT ?)`,
    );
    this.#oldestReceived = database.prepare(
      `SELECT min(at) AS at FROM (SELECT min(received_at) AS at FROM received
         UNION ALL SELECT min(received_at) FROM received_block)`,
    );
    this.#dateReceived = ['received', 'received_block'].map((table) =>
      database.prepare(`UPDATE ${table} SET received_at = ? WHERE received_at IS NULL OR received_at > ?`),
    );
  }

  usage(acknowledged: number): LogUsage {
    const pragma = (name: string) => this.#database.pragma(name, { simple: true }) as number;
    const [pages, free, size] = [pragma('page_count'), pragma('freelist_count'), pragma('page_size')];
    const first = this.#firstSeq();
    const times = [
      first !== null && first <= acknowledged ? this.#acknowledgements.timeOf(first) : null,
      (this.#oldestReceived.get() as { at: number | null }).at,
    ].filter((time) => time !== null);
    return {
      usedBytes: (pages - free) * size,
      fileBytes: pages * size,
      oldestMs: times.length === 0 ? null : Math.min(...times),
    };
  }

  /** What was acknowledged or received while the time was not known, or by a clock that was ahead, counts from now. */
  date(acknowledged: number, nowMs: number): void {
    this.#database.transaction(() => {
      if (acknowledged > 0) this.#acknowledgements.date(acknowledged, nowMs);
      for (const statement of this.#dateReceived) statement.run(nowMs, nowMs);
    })();
  }

  /** @returns how many rows were removed; 0 when nothing that old is left. */
  slice(acknowledged: number, notedByMs: number, maxRows: number): number {
    return this.#database.transaction(() => {
      const first = this.#firstSeq();
      const last = Math.min(acknowledged, this.#acknowledgements.heardBy(notedByMs));
      let removed = this.#removeReceived.run(notedByMs, maxRows).changes;
      removed += this.#removeBlocks.run(notedByMs, Math.ceil(maxRows / rowsPerBlock)).changes;
      if (first !== null && first <= last)
        removed += this.#remove(first, Math.min(last, first + maxRows - 1));
      this.#acknowledgements.clearBefore(this.#firstSeq() ?? acknowledged);
      return removed;
    })();
  }

  /** Hands up to `maxPages` back to the disk. @returns whether there is more to hand back. */
  release(maxPages: number): boolean {
    const size = this.#database.pragma('page_size', { simple: true }) as number;
    const spare = () => (this.#database.pragma('freelist_count', { simple: true }) as number) * size;
    if (spare() <= spareBytes) return false;
    this.#database.pragma(`incremental_vacuum(${maxPages})`);
    return spare() > spareBytes;
  }

  /** What they touched may still be asked for, and can be told from nothing else when they are gone. */
  #remove(first: number, last: number): number {
    this.#touches.reach(last);
    return this.#removeTransactions.run(first, last).changes;
  }

  #firstSeq(): number | null {
    return (this.#first.get() as { seq: number | null }).seq;
  }
}
