/** What salvage keeps in Postgres: how far each campus has come, and what was given back of which lost commit. */
import { type Change, rowId } from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import type { SalvageStore } from '../ingest/cloud-store.ts';

export function postgresSalvage(client: Pick<ClientBase, 'query'>): SalvageStore {
  return {
    async point(campus, epoch) {
      const { rows } = await client.query<{ fork_seq: string; given_seq: string }>(
        'SELECT fork_seq, given_seq FROM sync.salvage WHERE campus = $1 AND epoch = $2 FOR UPDATE',
        [campus, epoch],
      );
      return rows[0] ? { forkSeq: Number(rows[0].fork_seq), givenSeq: Number(rows[0].given_seq) } : null;
    },
    async moveGiven(campus, epoch, seq) {
      await client.query('UPDATE sync.salvage SET given_seq = $3 WHERE campus = $1 AND epoch = $2', [
        campus,
        epoch,
        seq,
      ]);
    },
    async known(epoch, lsn, changes) {
      const { rows } = await client.query<{ change_id: string }>(
        'SELECT change_id FROM sync.salvaged WHERE epoch = $1 AND lsn = $2 AND change_id = ANY ($3)',
        [epoch, lsn, changes.map(changeId)],
      );
      const known = new Set(rows.map((row) => row.change_id));
      return changes.map((change) => known.has(changeId(change)));
    },
    async remember(epoch, lsn, changes) {
      await client.query(
        'INSERT INTO sync.salvaged (epoch, lsn, change_id) SELECT $1, $2, unnest($3::text[]) ON CONFLICT DO NOTHING',
        [epoch, lsn, changes.map(changeId)],
      );
    },
  };
}

/** A row that moved between campuses is deleted in the one's feed and inserted in the other's. */
function changeId(change: Change): string {
  return `${change.op} ${rowId(change.table, change.key)}`;
}
