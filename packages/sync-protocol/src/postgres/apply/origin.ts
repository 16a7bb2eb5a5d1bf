/**
 * Apply writes under a replication origin, so that capture can tell the other site's changes from this site's own.
 *
 * Postgres lets one session at a time use an origin, and keeps a place in shared memory for each (max_replication_slots):
 * a site has a handful of them, one per connection that applies, not one per campus. Whose changes they are is said by a
 * logical message in the same transaction.
 */
import type { ClientBase } from 'pg';
import { databaseName, replicationName } from '../session.ts';

/** How many connections of a site can apply at once, all relays together. */
export const maxApplyingSessions = 8;

const originPurpose = 'apply';

export function originNames(database: string): string[] {
  return Array.from({ length: maxApplyingSessions }, (_, i) =>
    replicationName(database, `${originPurpose}_${i}`),
  );
}

/** Whether rows under this origin were written by the engine's apply, at this or another relay. */
export function isApplyOrigin(connectionString: string): (origin: string) => boolean {
  const names = new Set(originNames(databaseName(connectionString)));
  return (origin) => names.has(origin);
}

/** No origin is free: as many sessions apply already as the site allows. */
export class OriginsBusyError extends Error {
  constructor() {
    super(`all ${maxApplyingSessions} replication origins are in use`);
    this.name = 'OriginsBusyError';
  }
}

/** Takes a free origin for this session; it stays until the session ends. @throws OriginsBusyError */
export async function takeOrigin(client: ClientBase, connectionString: string): Promise<string> {
  for (const name of originNames(databaseName(connectionString))) {
    try {
      await client.query('SELECT pg_replication_origin_session_setup($1)', [name]);
      return name;
    } catch (error) {
      if ((error as { code?: string }).code !== '55006') throw error;
    }
  }
  throw new OriginsBusyError();
}

/**
 * Dates the current transaction. To be called in every transaction of the session: Postgres keeps the last
 * time that was set, and would stamp it on the next one.
 *
 * @param committedAt Microseconds since 1970-01-01 UTC.
 */
export async function dateTransaction(client: ClientBase, committedAt: number): Promise<void> {
  await client.query(
    "SELECT pg_replication_origin_xact_setup('0/1', timestamptz 'epoch' + $1::bigint * interval '1 microsecond')",
    [committedAt],
  );
}
