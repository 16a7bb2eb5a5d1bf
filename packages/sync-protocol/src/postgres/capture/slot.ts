/** The slot that a site's WAL is read through. */
import type { ClientBase } from 'pg';
import { replicationName } from '../session.ts';

/**
 * Makes the slot if it is missing, or anew if Postgres has given it up. No backup holds slots, so a restored database has none.
 * To be called outside a transaction: a slot is created in one that has written nothing.
 *
 * @returns whether it was made: what was committed before and not yet read is in no stream any more.
 */
export async function ensureSlot(client: Pick<ClientBase, 'query'>, database: string): Promise<boolean> {
  const slot = replicationName(database, 'slot');
  await client.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
     WHERE slot_name = $1 AND wal_status = 'lost' AND NOT active`,
    [slot],
  );
  const { rowCount } = await client.query(
    `SELECT pg_create_logical_replication_slot($1::name, 'pgoutput')
     WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1::name)`,
    [slot],
  );
  return rowCount === 1;
}
