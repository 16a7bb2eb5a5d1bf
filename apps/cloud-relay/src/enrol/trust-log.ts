/** The record of who decided what about a campus's boxes. It is written in the transaction that does what it says. */
import type { ClientBase } from 'pg';

export type TrustEvent =
  | 'pairing code made'
  | 'pairing code refused'
  | 'box asked'
  | 'box confirmed'
  | 'box confirmed automatically'
  | 'box replaced'
  | 'campus revoked';

export interface TrustEntry {
  campus: string;
  event: TrustEvent;
  /** The administrator, or `a box` for what came over the network. */
  by: string;
  fingerprint?: string;
  detail?: string;
}

export async function writeTrust(client: ClientBase, entry: TrustEntry): Promise<void> {
  await client.query(
    'INSERT INTO sync.trust_log (campus, event, by_whom, fingerprint, detail) VALUES ($1, $2, $3, $4, $5)',
    [entry.campus, entry.event, entry.by, entry.fingerprint ?? null, entry.detail ?? null],
  );
}

export async function inTransaction<T>(client: ClientBase, work: () => Promise<T>): Promise<T> {
  await client.query('BEGIN');
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}
