/**
 * The entries of a campus's feed in which a row was changed. A feed is kept for weeks, and a campus that comes back with a
 * thousand conflicts asks about a thousand rows: `sync.feed_row` says for each row where to look. Only conflicts ask, so it is made when
 * somebody does, for what has come since the last time; the newest entries are few, and are looked through as they are.
 */
import { type Change, type Row, rowId } from '@skooly-edge/sync-protocol';
import type { ClientBase, Pool } from 'pg';

/** So many of the newest entries are looked through at each question; one more, and all are put into `sync.feed_row`. */
export const maxNewest = 1_000;

/** Two rows may have the same: whoever finds an entry by it looks whether the row is in it. */
const hashOf = (table: string, key: string) => `hashtextextended(${table} || ' ' || (${key})::jsonb, 0)`;

export interface RowChange {
  change: Change;
  /** Microseconds since 1970-01-01 UTC. */
  committedAt: number;
}

/** The feed of one campus, asked within one transaction. What is put into `sync.feed_row` is committed, or undone, with it. */
export class FeedRows {
  readonly #client: Pick<ClientBase, 'query'>;
  readonly #campus: string;
  #end: Promise<string> | null = null;

  constructor(client: Pick<ClientBase, 'query'>, campus: string) {
    this.#client = client;
    this.#campus = campus;
  }

  /** Changes of the row that were committed at `since` (microseconds since 1970-01-01 UTC) or later, the latest first. */
  async changesOf(table: string, key: Row, since: number): Promise<RowChange[]> {
    this.#end ??= this.#extend();
    const end = await this.#end;
    const { rows } = await this.#client.query<{ body: string; committed_at: string }>(
      `SELECT body, committed_at FROM (
         SELECT f.* FROM sync.feed_row r JOIN sync.feed f USING (campus, seq)
         WHERE r.campus = $1 AND r.row_hash = ${hashOf('$3::text', '$4::text')} AND r.seq <= $2
         UNION ALL
         SELECT * FROM sync.feed WHERE campus = $1 AND seq > $2 AND position($5 IN body) > 0
       ) entry WHERE committed_at >= $6 ORDER BY seq DESC`,
      [this.#campus, end, table, JSON.stringify(key), JSON.stringify(Object.values(key)[0]), since],
    );
    const id = rowId(table, key);
    return rows.flatMap(({ body, committed_at }) =>
      (JSON.parse(body) as { changes: Change[] }).changes
        .filter((change) => rowId(change.table, change.key) === id)
        .reverse()
        .map((change) => ({ change, committedAt: Number(committed_at) })),
    );
  }

  /** @returns the last entry that `sync.feed_row` knows. */
  async #extend(): Promise<string> {
    const { rows } = await this.#client.query<{ end: string; last: string }>(
      `SELECT coalesce((SELECT seq FROM sync.feed_row_end WHERE campus = $1), 0) AS end,
              coalesce((SELECT max(seq) FROM sync.feed WHERE campus = $1), 0) AS last`,
      [this.#campus],
    );
    const { end = '0', last = '0' } = rows[0] ?? {};
    if (Number(last) - Number(end) <= maxNewest) return end;
    await this.#client.query(
      `INSERT INTO sync.feed_row (campus, row_hash, seq)
       SELECT f.campus, ${hashOf("change ->> 'table'", "change -> 'key'")}, f.seq
       FROM sync.feed f, json_array_elements(f.body::json -> 'changes') change
       WHERE f.campus = $1 AND f.seq > $2 AND f.seq <= $3 ON CONFLICT DO NOTHING`,
      [this.#campus, end, last],
    );
    await this.#client.query(
      `INSERT INTO sync.feed_row_end AS e (campus, seq) VALUES ($1, $2)
       ON CONFLICT (campus) DO UPDATE SET seq = greatest(e.seq, excluded.seq)`,
      [this.#campus, last],
    );
    return last;
  }
}

/** After entries were removed from the feed. */
export async function forgetRows(pool: Pool, campus: string): Promise<void> {
  await pool.query(
    `DELETE FROM sync.feed_row r USING sync.feed_reader f
     WHERE r.campus = $1 AND f.campus = $1 AND r.seq <= f.trimmed_to`,
    [campus],
  );
}
