import type { Pool } from 'pg';
import type { FollowedFeed } from './give-back.ts';

/** The cloud's feed as this campus follows it. @throws Error while the first copy is not complete. */
export async function followedFeed(database: Pool): Promise<FollowedFeed> {
  const { rows } = await database.query<Record<string, string>>(
    'SELECT epoch, seq, to_json(followed) AS followed FROM sync.cursor',
  );
  const row = rows[0];
  if (!row) throw new Error('the first copy of the database is not complete');
  return { epoch: row.epoch ?? '', seq: Number(row.seq), followed: JSON.parse(row.followed ?? '[]') };
}
