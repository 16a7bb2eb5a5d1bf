/**
 * Which timeline a position belongs to, by the history files that Postgres writes when a server is promoted. A line is the
 * way from the first timeline to one of them: `1` up to 0/5000000, then `2`.
 */
import { lsnToNumber } from '../retention/lsn.ts';

export interface Stretch {
  readonly timeline: number;
  readonly from: bigint;
  /** Where the next timeline branches off; null: it goes on. */
  readonly to: bigint | null;
}

/** @param text of `0000000N.history`: lines of `parent<TAB>switch position<TAB>reason`. */
export function lineOf(timeline: number, text: string): Stretch[] {
  const stretches: Stretch[] = [];
  let from = 0n;
  for (const row of text.split('\n')) {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(row);
    if (!match) continue;
    const to = lsnToNumber(match[2] as string);
    stretches.push({ timeline: Number(match[1]), from, to });
    from = to;
  }
  return [...stretches, { timeline, from, to: null }];
}

/** Whether WAL of `timeline` up to `position` is part of the line. */
export function liesOn(line: readonly Stretch[], timeline: number, position: bigint): boolean {
  const stretch = line.find((one) => one.timeline === timeline);
  return stretch !== undefined && (stretch.to === null || position <= stretch.to);
}
