/**
 * A campus that was away for longer than the cloud keeps its feed cannot go on where it stopped: it goes on behind what is
 * gone, and a resync brings what was in it. The resync is asked for first, so that a crash in between costs no more than
 * a resync too many.
 */
import type { Pool } from 'pg';
import type { SyncPosition } from '../relay-client/relay-client.ts';

/** @returns where to go on: `cursor` as long as the entry behind it is kept. */
export async function leapToKept(
  { feedAfter = 0 }: Pick<SyncPosition, 'feedAfter'>,
  cursor: number,
  database: Pick<Pool, 'query'>,
  requestResync: (reason: string) => Promise<unknown>,
): Promise<number> {
  if (cursor >= feedAfter) return cursor;
  await requestResync(`the cloud no longer keeps the feed from ${cursor + 1} to ${feedAfter}`);
  await database.query('UPDATE sync.cursor SET seq = $1, moved_at = clock_timestamp() WHERE seq < $1', [
    feedAfter,
  ]);
  return feedAfter;
}
