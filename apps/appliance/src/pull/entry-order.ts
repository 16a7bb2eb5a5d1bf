/**
 * Puts what the stream brings into the order of the feed: entries that are applied already are left out, those that come
 * too early wait for those before them.
 */
import type { FeedEntry } from '@skooly-edge/sync-protocol';

/** One commit of the campus takes up to this many changes of the feed; a single larger commit of the cloud is still taken. */
const maxGroupChanges = 2_000;

export class EntryOrder {
  readonly #early = new Map<number, FeedEntry>();
  #applied: number;

  /** @param applied The last entry that is applied here. */
  constructor(applied: number) {
    this.#applied = applied;
  }

  get applied(): number {
    return this.#applied;
  }

  /** Everything that came has been applied. */
  get empty(): boolean {
    return this.#early.size === 0;
  }

  add(entry: FeedEntry): void {
    if (entry.seq > this.#applied) this.#early.set(entry.seq, entry);
  }

  /** The entries that can be applied next, in one commit; none while the next one, or the end of its commit, is missing. */
  nextGroup(): FeedEntry[] {
    const group: FeedEntry[] = [];
    let whole = 0;
    let changes = 0;
    for (let seq = this.#applied + 1; changes < maxGroupChanges || whole < group.length; seq++) {
      const entry = this.#early.get(seq);
      if (!entry) break;
      group.push(entry);
      changes += 1 + entry.changes.length + entry.corrections.length;
      if (!entry.more) whole = group.length;
    }
    return group.slice(0, whole);
  }

  /** The group is applied. */
  done(group: readonly FeedEntry[]): void {
    for (const { seq } of group) {
      this.#early.delete(seq);
      this.#applied = seq;
    }
  }
}
