/**
 * The proof that nothing is missing between a base backup and now: the segments that follow it, one behind the other, over
 * timelines. A pure function of what is held.
 *
 * At the place where a later timeline begins, the chain goes on with it: that is how a server goes on after a restore or a
 * promotion. A timeline that was left is a dead end for the bases that it holds.
 */
import type { AboutBase } from '../format/object.ts';
import { lsnPosition } from '../source/wal/wal-name.ts';
import type { WalPlace } from '../spool/live-index.ts';

export interface Chain {
  /** The last segment that can be replayed; null when not even the base becomes consistent. */
  readonly last: WalPlace | null;
  /** Where it breaks though later WAL is there; null when it reaches the newest. */
  readonly gap: { readonly timeline: number; readonly from: number; readonly next: WalPlace } | null;
}

/** @param wal In the order of timelines and places. */
export function chainFrom(
  base: Pick<AboutBase, 'systemIdentifier' | 'timeline' | 'startLsn' | 'stopLsn'>,
  wal: readonly WalPlace[],
): Chain {
  const lines = linesOf(wal, base.systemIdentifier);
  const start = lsnPosition(base.startLsn);
  let timeline = base.timeline;
  let line = lines.get(timeline) ?? [];
  let index = line.findIndex((place) => place.start <= start && start < place.end);
  if (index < 0) return { last: null, gap: gapAfter(line, timeline, start) };
  let last = line[index] as WalPlace;
  for (;;) {
    const later = lineThatBeginsAt(lines, timeline, last.end);
    if (later !== null) {
      timeline = later;
      line = lines.get(timeline) as WalPlace[];
      index = -1;
    }
    const next = line[index + 1];
    if (next === undefined || next.start > last.end) break;
    index++;
    // A segment that was handed over twice under two names covers the same place.
    if (next.end > last.end) last = next;
  }
  const isConsistent = last.end >= lsnPosition(base.stopLsn);
  return { last: isConsistent ? last : null, gap: gapAfter(line, timeline, last.end) };
}

function linesOf(wal: readonly WalPlace[], system: string): Map<number, WalPlace[]> {
  const lines = new Map<number, WalPlace[]>();
  for (const place of wal) {
    if (place.system !== system) continue;
    const line = lines.get(place.timeline);
    if (line) line.push(place);
    else lines.set(place.timeline, [place]);
  }
  return lines;
}

/** The newest timeline after this one whose first segment begins there. */
function lineThatBeginsAt(lines: Map<number, WalPlace[]>, after: number, place: number): number | null {
  let found: number | null = null;
  for (const [timeline, line] of lines)
    if (timeline > after && line[0]?.start === place) found = Math.max(found ?? 0, timeline);
  return found;
}

function gapAfter(line: readonly WalPlace[], timeline: number, from: number): Chain['gap'] {
  const next = line.find(({ start }) => start > from);
  return next ? { timeline, from, next } : null;
}
