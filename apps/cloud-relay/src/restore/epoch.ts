/**
 * The cloud's epoch: one unbroken history of its database. A restore to an earlier point, like a failover, leaves Postgres on
 * another timeline, and a dump that was read in on another server has another system identifier: either begins a new
 * epoch, and the campuses give back what the old one had told them (`salvage.ts`).
 *
 * Asked before anything is written into a feed, so that no number of an old epoch is ever given twice. A failover that lost
 * nothing begins an epoch too: there is then nothing to give back.
 */
import { randomUUID } from 'node:crypto';
import { databaseName, ensureSlot, readServer, SyncError } from '@skooly-edge/sync-protocol';
import type { ClientBase, Pool } from 'pg';

export interface Epoch {
  epoch: string;
  /** This call has begun it. */
  begun: boolean;
}

/** The cloud's epoch as it is now: the database may be restored while the relay runs. */
export async function readEpoch(pool: Pick<Pool, 'query'>): Promise<string> {
  const { rows } = await pool.query<{ epoch: string }>('SELECT epoch FROM sync.site');
  return rows[0]?.epoch ?? '';
}

/** @throws SyncError NOT_PREPARED */
export async function ensureEpoch(client: ClientBase, databaseUrl: string): Promise<Epoch> {
  await client.query('BEGIN');
  try {
    const server = await readServer(client);
    const { rows } = await client.query<Record<string, string | null>>(
      'SELECT epoch, system_identifier AS system, timeline FROM sync.site FOR UPDATE',
    );
    const site = rows[0];
    if (!site?.epoch) throw new SyncError('NOT_PREPARED', 'The table sync.site is empty.');
    const sameServer = site.system === server.system;
    const result = { epoch: site.epoch, begun: false };
    if (site.system !== null && !(sameServer && site.timeline === server.timeline)) {
      result.epoch = randomUUID();
      result.begun = true;
      await beginEpoch(client, site.epoch, result.epoch, sameServer);
    }
    await client.query('UPDATE sync.site SET system_identifier = $1, timeline = $2', [
      server.system,
      server.timeline,
    ]);
    await client.query('COMMIT');
    await ensureSlot(client, databaseName(databaseUrl));
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** From here on each campus's feed goes on under the new epoch; what it had beyond this point is given back. */
async function beginEpoch(client: ClientBase, old: string, next: string, sameServer: boolean): Promise<void> {
  await client.query('UPDATE sync.site SET epoch = $1', [next]);
  await client.query(
    `INSERT INTO sync.salvage (campus, epoch, fork_seq, given_seq)
     SELECT campus, $1, feed_seq, feed_seq FROM sync.follower ON CONFLICT DO NOTHING`,
    [old],
  );
  // On another server the old positions mean nothing; on the same one the WAL goes on where the restore ended.
  if (!sameServer) await client.query('UPDATE sync.feed_position SET lsn = 0');
}
