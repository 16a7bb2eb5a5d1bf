/**
 * Which rows and columns this campus's transactions changed: what the follower asks, by stamp.
 *
 * It is made from the transactions, behind the back of whoever writes them: what is missing when the follower asks is made at once, so
 * that the answer is always whole; the rest in quiet moments (`keep-touches.ts`). Of most transactions nobody ever asks: they are judged, and
 * forgotten, before their turn comes. How far it has come is kept in the same SQLite transaction as what it holds.
 *
 * It lies in stretches of transactions, in the order of the rows within each. So a slice is written where the last one was and not all over
 * the file, a row is looked for in as many places as there are stretches behind the stamp, and what is forgotten lies together.
 */
import { type Change, type OwnChanges, type Row, rowId, type Transaction } from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';

/** Transactions, by their seq. `log-schema.ts` has brought older files to it. */
const defaultStretchLength = 16_384;

/** What lacks is read so many transactions at a time: one may have megabytes. */
const rowsAtOnce = 16;

/** What is made at once is made in slices too, but larger: fewer pages are written twice. */
const maxBytesAtOnce = 2 * 1024 * 1024;

type Touch = [
  stretch: number,
  row: string,
  seq: number,
  place: number,
  op: Change['op'],
  columns: string | null,
];

export class Touches {
  readonly #database: Database.Database;
  readonly #stretchLength: number;
  readonly #insert: Database.Statement<Touch>;
  readonly #ofRow: Database.Statement<
    [first: number, last: number, row: string, seq: number],
    { op: Change['op']; columns: string | null }
  >;
  readonly #transactions: Database.Statement<[number, number], { seq: number; body: string }>;
  readonly #forget: Database.Statement<[number, number]>;
  readonly #keepThrough: Database.Statement<[string]>;
  /** What was touched up to here is in the file, or was forgotten. */
  #through: number;
  /** Nobody asks for what was touched up to here. */
  #forgotten = 0;

  /** @param stretchLength The same for a file as long as it lives. */
  constructor(database: Database.Database, stretchLength = defaultStretchLength) {
    this.#database = database;
    this.#stretchLength = stretchLength;
    this.#insert = database.prepare(
      'INSERT INTO touch (stretch, row_id, seq, place, op, columns) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
    );
    this.#ofRow = database.prepare(
      `WITH RECURSIVE stretches (n) AS (VALUES (?) UNION ALL SELECT n + 1 FROM stretches WHERE n < ?)
       SELECT op, columns FROM stretches CROSS JOIN touch ON stretch = n WHERE row_id = ? AND seq > ? ORDER BY seq, place`,
    );
    this.#transactions = database.prepare('SELECT seq, body FROM txn WHERE seq > ? ORDER BY seq LIMIT ?');
    this.#forget = database.prepare(
      `DELETE FROM touch WHERE (stretch, row_id, seq, place) IN
         (SELECT stretch, row_id, seq, place FROM touch WHERE stretch < ? ORDER BY stretch LIMIT ?)`,
    );
    this.#keepThrough = database.prepare(
      "INSERT INTO meta VALUES ('touchedThrough', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    );
    const through = database.prepare<[], { value: string }>(
      "SELECT value FROM meta WHERE name = 'touchedThrough'",
    );
    this.#through = Number(through.get()?.value ?? 0);
  }

  /** What was touched up to here can be told, or nobody asks for it. */
  get through(): number {
    return Math.max(this.#through, this.#forgotten);
  }

  /** @param lastSeq Of the last transaction that is written. */
  since(table: string, key: Row, stampSeq: number, lastSeq: number): OwnChanges | null {
    this.reach(lastSeq);
    const after = Math.max(stampSeq, this.#forgotten);
    if (after >= lastSeq) return null;
    const [first, last] = [this.#stretchOf(after + 1), this.#stretchOf(lastSeq)];
    const touches = this.#ofRow.all(first, last, rowId(table, key), after);
    if (touches.length === 0) return null;
    const deleted = touches.at(-1)?.op === 'delete';
    if (touches.some((touch) => touch.columns === null)) return { columns: 'all', deleted };
    return {
      columns: new Set(touches.flatMap((touch) => JSON.parse(touch.columns as string) as string[])),
      deleted,
    };
  }

  /** Makes all that lacks up to `seq`. */
  reach(seq: number): void {
    while (this.through < seq) this.#make(seq, maxBytesAtOnce);
  }

  /**
   * A part of the work that nobody waits for: makes what lacks up to `lastSeq`, from about `maxBytes` of transactions; when nothing lacks,
   * removes what was forgotten, up to `maxRows`.
   *
   * @returns whether there was anything to do.
   */
  slice(lastSeq: number, maxBytes: number, maxRows: number): boolean {
    if (this.through < lastSeq) {
      this.#make(lastSeq, maxBytes);
      return true;
    }
    if (this.#through < this.#forgotten) this.#moveThrough(this.#forgotten);
    return this.#forget.run(this.#stretchOf(this.#forgotten + 1), maxRows).changes > 0;
  }

  /** Nobody asks any more for what was touched up to `seq`. It is removed in quiet moments, whole stretches only. */
  forget(seq: number): void {
    this.#forgotten = Math.max(this.#forgotten, seq);
  }

  /** What was touched behind `seq` will be asked for again, and is made again from there. */
  remember(seq: number): void {
    this.#forgotten = Math.min(this.#forgotten, seq);
    if (seq < this.#through) this.#moveThrough(seq);
  }

  #make(upTo: number, maxBytes: number): void {
    const touches: Touch[] = [];
    let seq = this.through;
    for (let bytes = 0; bytes < maxBytes; ) {
      const transactions = this.#transactions.all(seq, rowsAtOnce);
      for (const { body } of transactions) {
        touches.push(...this.#touchesOf(JSON.parse(body) as Transaction));
        bytes += body.length;
      }
      seq = transactions.at(-1)?.seq ?? seq;
      if (transactions.length === rowsAtOnce) continue;
      // What is not there was forgotten before it was removed.
      seq = Math.max(seq, upTo);
      break;
    }
    touches.sort(([stretchA, a], [stretchB, b]) => stretchA - stretchB || (a < b ? -1 : a > b ? 1 : 0));
    this.#database.transaction(() => {
      for (const touch of touches) this.#insert.run(...touch);
      this.#moveThrough(seq);
    })();
  }

  #moveThrough(seq: number): void {
    this.#keepThrough.run(String(seq));
    this.#through = seq;
  }

  #touchesOf({ seq, changes }: Transaction): Touch[] {
    const stretch = this.#stretchOf(seq);
    return changes.map(({ table, key, op, after }, place) => {
      const columns = op === 'update' ? JSON.stringify(Object.keys(after ?? {})) : null;
      return [stretch, rowId(table, key), seq, place, op, columns];
    });
  }

  #stretchOf(seq: number): number {
    return Math.floor(seq / this.#stretchLength);
  }
}
