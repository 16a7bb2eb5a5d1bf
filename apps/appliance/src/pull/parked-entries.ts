/** Entries of the feed that wait: kept in the campus's database, held in memory while there are any. */
import { type FeedEntry, rowId } from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';

export interface ParkedEntry {
  entry: FeedEntry;
  rows: string[];
}

export class ParkedEntries {
  #entries: Map<number, ParkedEntry> | null = null;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /** Reads them once per session; later calls cost nothing until `unload`. */
  async load(client: ClientBase): Promise<void> {
    if (this.#entries) return;
    const { rows } = await client.query<{ body: string }>('SELECT body FROM sync.parked_entry ORDER BY seq');
    this.#entries = new Map();
    for (const { body } of rows) {
      const entry = JSON.parse(body) as FeedEntry;
      const touched = [...entry.changes, ...entry.corrections].map((item) => rowId(item.table, item.key));
      this.#entries.set(entry.seq, { entry, rows: touched });
    }
  }

  /** After a rollback what is in memory may not be what is stored. */
  unload(): void {
    this.#entries = null;
  }

  blocks(rows: readonly string[]): boolean {
    if (this.size === 0) return false;
    const waiting = new Set(this.inOrder().flatMap((parked) => parked.rows));
    return rows.some((row) => waiting.has(row));
  }

  inOrder(): ParkedEntry[] {
    return [...(this.#entries?.values() ?? [])].sort((a, b) => a.entry.seq - b.entry.seq);
  }

  async add(
    client: ClientBase,
    entry: FeedEntry,
    rows: string[],
    kind: string,
    detail: string,
  ): Promise<void> {
    await client.query('INSERT INTO sync.parked_entry (seq, body, kind, detail) VALUES ($1, $2, $3, $4)', [
      entry.seq,
      JSON.stringify(entry),
      kind,
      detail,
    ]);
    this.#entries?.set(entry.seq, { entry, rows });
  }

  async remove(client: ClientBase, seq: number): Promise<void> {
    await client.query('DELETE FROM sync.parked_entry WHERE seq = $1', [seq]);
    this.#entries?.delete(seq);
  }
}
