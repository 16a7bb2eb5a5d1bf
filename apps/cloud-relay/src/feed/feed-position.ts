/** How far the feed is written, for whoever has to wait for it: the feed writer notes its position at every mark. */
import { setTimeout as sleep } from 'node:timers/promises';
import { markMessage, parseLsn } from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';

const pollMs = 10;

/**
 * Waits until everything that had committed before the call is in the feed.
 *
 * @param client A connection outside the transaction that waits.
 * @returns false when the feed writer did not get there in time.
 */
export async function waitForFeed(client: Pick<ClientBase, 'query'>, patienceMs: number): Promise<boolean> {
  const mark = await client.query<{ lsn: string }>('SELECT pg_logical_emit_message(true, $1, $2) AS lsn', [
    markMessage,
    '',
  ]);
  const target = parseLsn(mark.rows[0]?.lsn ?? '');
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += pollMs) {
    const { rows } = await client.query<{ lsn: string }>('SELECT lsn FROM sync.feed_position');
    if (Number(rows[0]?.lsn ?? 0) >= target) return true;
    await sleep(pollMs);
  }
  return false;
}
