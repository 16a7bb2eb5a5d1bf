/** A schema and its sync map belong together: the map that the newest migration with one brought is the one in force. */
import type { ClientBase } from 'pg';
import { parseSyncMap, type SyncMap } from '../sync-map/sync-map.ts';

/** @param own What holds as long as no migration has brought a map: the file that the daemon was started with. */
export async function mapInForce(client: Pick<ClientBase, 'query'>, own: SyncMap): Promise<SyncMap> {
  const { rows } = await client.query<{ sync_map: string }>(
    'SELECT sync_map FROM sync.migration WHERE sync_map IS NOT NULL ORDER BY number DESC LIMIT 1',
  );
  return rows[0] ? parseSyncMap(JSON.parse(rows[0].sync_map)) : own;
}
