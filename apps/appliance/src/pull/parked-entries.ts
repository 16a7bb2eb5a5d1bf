/** Entries of the feed that wait: kept in the campus's database, held in memory while there are any. */
import { type FeedEntry, rowId } from '@skooly-edge/sync-protocol';
import type { CampusCommit } from './campus-store.ts';

export interface ParkedEntry {
  entry: FeedEntry;
  rows: string[];
}

export class ParkedEntries {
  #entries: Map<number, ParkedEntry> | null = null;
  /** Rows that entries wait for → how many of them. */
  readonly #rows = new Map<string, number>();

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /** Reads them once; later calls cost nothing until `unload`. */
  async load(commit: CampusCommit): Promise<void> {
    if (this.#entries) return;
    const entries = await commit.waiting();
    this.#entries = new Map();
    for (const entry of entries) this.#keep(entry);
  }

  /** After a rollback what is in memory may not be what is stored. */
  unload(): void {
    this.#entries = null;
    this.#rows.clear();
  }

  blocks(rows: readonly string[]): boolean {
    return rows.some((row) => this.#rows.has(row));
  }

  inOrder(): ParkedEntry[] {
    return [...(this.#entries?.values() ?? [])].sort((a, b) => a.entry.seq - b.entry.seq);
  }

  async add(commit: CampusCommit, entry: FeedEntry, kind: string, detail: string): Promise<void> {
    await commit.addWaiting(entry, kind, detail);
    this.#keep(entry);
  }

  async remove(commit: CampusCommit, seq: number): Promise<void> {
    await commit.removeWaiting(seq);
    for (const row of this.#entries?.get(seq)?.rows ?? []) this.#count(row, -1);
    this.#entries?.delete(seq);
  }

  #keep(entry: FeedEntry): void {
    const rows = rowsOf(entry);
    this.#entries?.set(entry.seq, { entry, rows });
    for (const row of rows) this.#count(row, 1);
  }

  #count(row: string, more: number): void {
    const count = (this.#rows.get(row) ?? 0) + more;
    if (count > 0) this.#rows.set(row, count);
    else this.#rows.delete(row);
  }
}

/** Identities of the rows that the entry speaks of. */
export function rowsOf(entry: FeedEntry): string[] {
  return [...entry.changes, ...entry.corrections].map((item) => rowId(item.table, item.key));
}
