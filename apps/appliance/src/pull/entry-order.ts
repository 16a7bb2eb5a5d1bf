/**
 * Puts what the stream brings into the order of the feed: entries that are applied already are left out, those that come
 * too early wait for those before them. A block stays whole as long as nothing in it has been applied.
 */
import { type FeedEntry, type FeedGroup, groupOfEntries } from '@skooly-edge/sync-protocol';

/** A group takes up to this many changes of single entries; a single larger commit of the cloud is still taken. */
const maxGroupChanges = 2_000;

/** Groups that have come are taken together up to this many entries: one wait for the disk and one for capture for all of them. */
const maxTogether = 8_000;

export class EntryOrder {
  readonly #early = new Map<number, FeedEntry>();
  /** By the first seq of each. */
  readonly #blocks = new Map<number, FeedGroup>();
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
    return this.#early.size === 0 && this.#blocks.size === 0;
  }

  add(entry: FeedEntry): void {
    if (entry.seq > this.#applied) this.#early.set(entry.seq, entry);
  }

  addBlock(block: FeedGroup): void {
    const [first, last] = [block.heads[0], block.heads.at(-1)];
    if (!first || !last || last.seq <= this.#applied) return;
    if (first.seq > this.#applied && !last.more && !this.#blocks.has(first.seq))
      this.#blocks.set(first.seq, block);
    else this.#takeApart(block);
  }

  /** What can be applied next, in one commit; none while the next entry, or the end of its commit, is missing. */
  nextGroups(): FeedGroup[] {
    const groups: FeedGroup[] = [];
    let entries = 0;
    for (let next = this.#applied + 1; ; next = this.#applied + 1 + entries) {
      const group = this.#groupAt(next);
      if (!group || (groups.length > 0 && entries + group.heads.length > maxTogether)) return groups;
      groups.push(group);
      entries += group.heads.length;
    }
  }

  #groupAt(next: number): FeedGroup | null {
    const block = this.#early.has(next) ? undefined : this.#blocks.get(next);
    if (block) return block;
    const group: FeedEntry[] = [];
    let whole = 0;
    let changes = 0;
    for (let seq = next; changes < maxGroupChanges || whole < group.length; seq++) {
      const isWhole = group.length > 0 && whole === group.length;
      if (isWhole && !this.#early.has(seq)) break;
      const entry = this.#entryAt(seq);
      if (!entry) break;
      group.push(entry);
      changes += 1 + entry.changes.length + entry.corrections.length;
      if (!entry.more) whole = group.length;
    }
    return whole === 0 ? null : groupOfEntries(group.slice(0, whole));
  }

  /** The groups are applied. */
  done(groups: readonly FeedGroup[]): void {
    for (const { seq } of groups.flatMap(({ heads }) => heads)) {
      this.#early.delete(seq);
      this.#applied = seq;
    }
    for (const [first, block] of this.#blocks) {
      if (first > this.#applied) continue;
      this.#blocks.delete(first);
      this.#takeApart(block);
    }
  }

  #entryAt(seq: number): FeedEntry | undefined {
    if (!this.#early.has(seq)) {
      for (const [first, block] of this.#blocks) {
        if (first > seq || (block.heads.at(-1)?.seq ?? 0) < seq) continue;
        this.#blocks.delete(first);
        this.#takeApart(block);
      }
    }
    return this.#early.get(seq);
  }

  #takeApart(block: FeedGroup): void {
    if ((block.heads.at(-1)?.seq ?? 0) <= this.#applied) return;
    for (const entry of block.entries()) this.add(entry);
  }
}
