/**
 * Gives out blocks of a sequence's numbers: each behind all that were given out, and behind every number that anybody is
 * known to have used. Pure.
 */
import { blockSize, type SequenceBlock } from '@skooly-edge/sync-protocol';

export interface Allotted {
  /** The end of the last block; 0 when there is none. */
  last: number;
  /** It was given out before the cloud was restored: there may have been further ones. */
  beforeRestore: boolean;
}

export interface Wanted {
  highest: number;
  /** The last number that the cloud or the site that asks has used. */
  used: number;
  campuses: number;
}

/** What one site may claim to have used beyond what was ever given out. */
const maxClaimedBlocks = 16;

/** Null: the numbers are used up. The last block may be a small one. */
export function nextBlock({ last, beforeRestore }: Allotted, wanted: Wanted): SequenceBlock | null {
  const { highest, campuses } = wanted;
  const size = blockSize(highest);
  const used = Math.min(wanted.used, last + maxClaimedBlocks * size);
  const gap = beforeRestore ? gapBlocks(highest - last, size, campuses) * size : 0;
  const first = Math.max(last + gap, last === 0 ? wanted.used : used) + 1;
  if (first > highest) return null;
  return { first, last: Math.min(first + size - 1, highest) };
}

/** As many as may have been given out since: one to each site and one more, but at most a quarter of what there is. */
function gapBlocks(left: number, size: number, campuses: number): number {
  return Math.min(campuses + 2, Math.floor(left / size / 4));
}
