/** Which server a database runs on, and on which of its timelines: a restore changes one of them. */
import type { ClientBase } from 'pg';

export interface ServerIdentity {
  /** Postgres's system identifier: made with the cluster, kept by physical copies of it. */
  system: string;
  /** Eight digits, hexadecimal. A restore to a point in time and a failover begin a new one. */
  timeline: string;
}

/** Source: PostgreSQL manual, "Timelines", "Control Data Functions". */
export async function readServer(client: Pick<ClientBase, 'query'>): Promise<ServerIdentity> {
  const { rows } = await client.query<{ system: string; timeline: string }>(
    `SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
            left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline`,
  );
  return rows[0] as ServerIdentity;
}
