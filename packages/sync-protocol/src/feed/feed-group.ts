/**
 * Consecutive entries of a feed, to be applied together: each by itself, or column by column. Whoever takes them as a block
 * never makes the entries, and the other way round.
 */
import { type Block, toBlock, transactionsOf } from '../block/block.ts';
import type { Change, Correction, FeedEntry } from '../transaction/transaction.ts';

/** An entry without what it brings. */
export type FeedHead = Omit<FeedEntry, 'changes' | 'corrections'>;

export interface FeedGroup {
  readonly heads: readonly FeedHead[];
  entries(): readonly FeedEntry[];
  /** Null when something in the entries is no change of the other site's: a block has no place for it. */
  block(): Block | null;
}

/** What an entry brings, where it does not stand in the block. */
export interface Apart {
  changes: Change[];
  corrections: Correction[];
}

export function groupOfEntries(entries: readonly FeedEntry[]): FeedGroup {
  return {
    heads: entries,
    entries: () => entries,
    block: () => (entries.every(fitsBlock) ? toBlock(entries) : null),
  };
}

/** @param apart By the index of the entry. */
export function groupOfBlock(
  heads: readonly FeedHead[],
  block: Block,
  apart: ReadonlyMap<number, Apart>,
): FeedGroup {
  return {
    heads,
    entries: () =>
      transactionsOf(block).map(({ changes }, index) => ({
        ...(heads[index] as FeedHead),
        ...(apart.get(index) ?? { changes, corrections: [] }),
      })),
    block: () => (apart.size === 0 ? block : null),
  };
}

/** Corrections, and rows that went to another campus or came from one, do not stand in a block. */
export function fitsBlock({ changes, corrections }: FeedEntry): boolean {
  return corrections.length === 0 && changes.every(({ moved }) => !moved);
}
