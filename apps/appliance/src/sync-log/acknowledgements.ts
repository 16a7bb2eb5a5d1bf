/**
 * When which acknowledgement was heard, to the hour: what is kept "for 35 days" is kept so long after the cloud said that
 * it has it, since that is when a restore of the cloud could lose it. The commit time would not do: after a long cut
 * everything is old on the day it is pushed.
 *
 * The time may be unknown (null: the clock cannot be trusted). Then nothing is noted, and what was acknowledged meanwhile
 * counts from the first time that is known.
 */
import type Database from 'better-sqlite3';

const hourMs = 3_600_000;

export class Acknowledgements {
  readonly #note: Database.Statement;
  readonly #future: Database.Statement;
  readonly #clearFuture: Database.Statement;
  readonly #before: Database.Statement;
  readonly #oldest: Database.Statement;
  readonly #clear: Database.Statement;
  readonly #rewind: Database.Statement;

  constructor(database: Database.Database) {
    this.#note = database.prepare(
      'INSERT INTO acknowledgement VALUES (?, ?) ON CONFLICT (at) DO UPDATE SET seq = max(seq, excluded.seq)',
    );
    this.#future = database.prepare('SELECT max(seq) AS seq FROM acknowledgement WHERE at > ?');
    this.#clearFuture = database.prepare('DELETE FROM acknowledgement WHERE at > ?');
    this.#before = database.prepare('SELECT max(seq) AS seq FROM acknowledgement WHERE at <= ?');
    this.#oldest = database.prepare('SELECT at FROM acknowledgement WHERE seq >= ? ORDER BY at LIMIT 1');
    this.#rewind = database.prepare('UPDATE acknowledgement SET seq = min(seq, ?)');
    this.#clear = database.prepare('DELETE FROM acknowledgement WHERE seq < ?');
  }

  /** Rounded up, so that nothing is kept for less than it should be. */
  note(seq: number, nowMs: number | null): void {
    if (nowMs === null) return;
    const at = Math.ceil(nowMs / hourMs) * hourMs;
    const { seq: ahead } = this.#future.get(at) as { seq: number | null };
    // Noted by a clock that was ahead: it is not older than now.
    if (ahead !== null) this.#clearFuture.run(at);
    this.#note.run(at, Math.max(seq, ahead ?? 0));
  }

  /** Notes it now if it was noted at no time, or by a clock that was ahead. */
  date(seq: number, nowMs: number): void {
    const at = this.timeOf(seq);
    if (at === null || at > nowMs + hourMs) this.note(seq, nowMs);
  }

  /** The last seq that was acknowledged at or before this time; 0 when none was. */
  heardBy(timeMs: number): number {
    return (this.#before.get(timeMs) as { seq: number | null }).seq ?? 0;
  }

  /** When the transaction's acknowledgement was noted; null when it was not. */
  timeOf(seq: number): number | null {
    return (this.#oldest.get(seq) as { at: number } | undefined)?.at ?? null;
  }

  /** The cloud was restored and knows nothing behind `seq`. */
  rewind(seq: number): void {
    this.#rewind.run(seq);
  }

  /** Notes that speak of nothing that is kept. */
  clearBefore(seq: number): void {
    this.#clear.run(seq);
  }
}
