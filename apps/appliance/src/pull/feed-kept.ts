/** A campus that was away for longer than the cloud keeps its feed cannot go on where it stopped. */
import type { SyncPosition } from '../relay-client/relay-client.ts';

export class FeedTrimmedError extends Error {
  readonly code = 'FEED_TRIMMED';
  readonly advice = 'Run a resync: it brings every row that changed meanwhile.';

  constructor(cursor: number, keptAfter: number) {
    super(`The feed is kept from ${keptAfter + 1} on; this box has read it up to ${cursor}.`);
    this.name = 'FeedTrimmedError';
  }
}

/** @throws FeedTrimmedError when the entry after `cursor` is no longer kept in the cloud. */
export function requireKept({ feedAfter = 0 }: Pick<SyncPosition, 'feedAfter'>, cursor: number): void {
  if (cursor < feedAfter) throw new FeedTrimmedError(cursor, feedAfter);
}
