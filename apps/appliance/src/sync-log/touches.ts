/** Which rows and columns this campus's transactions changed: what the follower asks, by stamp. */
import { type Change, type OwnChanges, type Row, rowId } from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';

/** More would keep whoever else needs this thread waiting. */
const maxForgottenAtOnce = 1_000;

export class Touches {
  readonly #insert: Database.Statement;
  readonly #ofRow: Database.Statement;
  readonly #forget: Database.Statement;
  #forgettable = 0;

  constructor(database: Database.Database) {
    this.#insert = database.prepare(
      'INSERT INTO touch (row_id, seq, op, columns, place) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#ofRow = database.prepare(
      'SELECT op, columns FROM touch WHERE row_id = ? AND seq > ? ORDER BY seq, place',
    );
    this.#forget = database.prepare(
      'DELETE FROM touch WHERE (row_id, seq, place) IN (SELECT row_id, seq, place FROM touch WHERE seq <= ? ORDER BY seq LIMIT ?)',
    );
  }

  /** May be told of a transaction again: it knows it already. */
  add(seq: number, changes: readonly Change[]): void {
    for (const [place, change] of changes.entries()) {
      const columns = change.op === 'update' ? JSON.stringify(Object.keys(change.after ?? {})) : null;
      this.#insert.run(rowId(change.table, change.key), seq, change.op, columns, place);
    }
  }

  since(table: string, key: Row, stampSeq: number): OwnChanges | null {
    const touches = this.#ofRow.all(rowId(table, key), stampSeq) as {
      op: Change['op'];
      columns: string | null;
    }[];
    const last = touches.at(-1);
    if (!last) return null;
    const deleted = last.op === 'delete';
    if (touches.some((touch) => touch.columns === null)) return { columns: 'all', deleted };
    return {
      columns: new Set(touches.flatMap((touch) => JSON.parse(touch.columns as string) as string[])),
      deleted,
    };
  }

  /** Nobody asks any more for what was touched up to `seq`. After a long cut that is much: the rest is for `forgetMore`. */
  forget(seq: number): void {
    this.#forgettable = Math.max(this.#forgettable, seq);
    this.forgetMore(maxForgottenAtOnce);
  }

  /** What was touched behind `seq` will be asked for again. */
  remember(seq: number): void {
    this.#forgettable = Math.min(this.#forgettable, seq);
  }

  /** @returns how many were removed. */
  forgetMore(maxRows: number): number {
    return this.#forget.run(this.#forgettable, maxRows).changes;
  }
}
