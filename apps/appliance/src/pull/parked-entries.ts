/** Entries of the feed that wait: kept in the campus's database, held in memory while there are any. */
import { type FeedEntry, rowId } from '@skooly-edge/sync-protocol';
import type { CampusCommit } from './campus-store.ts';

export interface ParkedEntry {
  entry: FeedEntry;
  rows: string[];
}

export class ParkedEntries {
  #entries: Map<number, ParkedEntry> | null = null;

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  /** Reads them once; later calls cost nothing until `unload`. */
  async load(commit: CampusCommit): Promise<void> {
    if (this.#entries) return;
    const entries = await commit.waiting();
    this.#entries = new Map(entries.map((entry) => [entry.seq, { entry, rows: rowsOf(entry) }]));
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

  async add(commit: CampusCommit, entry: FeedEntry, kind: string, detail: string): Promise<void> {
    await commit.addWaiting(entry, kind, detail);
    this.#entries?.set(entry.seq, { entry, rows: rowsOf(entry) });
  }

  async remove(commit: CampusCommit, seq: number): Promise<void> {
    await commit.removeWaiting(seq);
    this.#entries?.delete(seq);
  }
}

/** Identities of the rows that the entry speaks of. */
export function rowsOf(entry: FeedEntry): string[] {
  return [...entry.changes, ...entry.corrections].map((item) => rowId(item.table, item.key));
}
