/** A commit of the cloud that came in parts is one entry when it is applied: all of it or nothing. */
import type { FeedEntry } from '@skooly-edge/sync-protocol';

/** @param entries None of them the part of a commit whose end is missing. @returns an entry for each commit, under its last seq. */
export function joinParts(entries: readonly FeedEntry[]): FeedEntry[] {
  const joined: FeedEntry[] = [];
  let open: FeedEntry | null = null;
  for (const { more = false, ...entry } of entries) {
    const whole: FeedEntry = open
      ? {
          ...entry,
          changes: [...open.changes, ...entry.changes],
          corrections: [...open.corrections, ...entry.corrections],
        }
      : entry;
    open = more ? whole : null;
    if (!more) joined.push(whole);
  }
  return joined;
}
