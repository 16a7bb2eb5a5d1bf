/** The feed in Postgres: entries, followers and position, read at the beginning of a term and written in one transaction. */
import type { ClientBase } from 'pg';
import type { FeedCommit, Follower } from './feed-builder.ts';
import { feedChannel } from './feed-signals.ts';

/** NOTIFY payloads are limited to 8,000 bytes; beyond this many campuses everyone is woken. */
const maxNotifiedCampuses = 100;

export async function readFeedState(
  client: ClientBase,
): Promise<{ position: number; followers: Follower[] }> {
  const position = await client.query<{ lsn: string }>('SELECT lsn FROM sync.feed_position');
  const followers = await client.query<Record<string, string>>(
    'SELECT campus, feed_seq, stamp_epoch, stamp_seq FROM sync.follower',
  );
  return {
    position: Number(position.rows[0]?.lsn ?? 0),
    followers: followers.rows.map((row) => ({
      campus: row.campus ?? '',
      feedSeq: Number(row.feed_seq),
      stampEpoch: row.stamp_epoch ?? '',
      stampSeq: Number(row.stamp_seq),
    })),
  };
}

export async function writeFeed(
  client: ClientBase,
  { rows, followers, position }: FeedCommit,
): Promise<void> {
  await client.query('BEGIN');
  if (rows.length > 0) {
    await client.query(
      `INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[],
                             $9::text[])`,
      [
        rows.map((row) => row.campus),
        rows.map((row) => row.epoch),
        rows.map((row) => row.seq),
        rows.map((row) => row.stampEpoch),
        rows.map((row) => row.stampSeq),
        rows.map((row) => row.committedAt),
        rows.map((row) => row.lsn),
        rows.map((row) => row.body),
        rows.map((row) => row.seal),
      ],
    );
  }
  await client.query(
    `INSERT INTO sync.follower (campus, feed_seq, stamp_epoch, stamp_seq)
     SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[])
     ON CONFLICT (campus) DO UPDATE SET feed_seq = excluded.feed_seq, stamp_epoch = excluded.stamp_epoch,
                                        stamp_seq = excluded.stamp_seq`,
    [
      followers.map((follower) => follower.campus),
      followers.map((follower) => follower.feedSeq),
      followers.map((follower) => follower.stampEpoch),
      followers.map((follower) => follower.stampSeq),
    ],
  );
  await client.query('UPDATE sync.feed_position SET lsn = $1', [position]);
  const campuses = [...new Set(rows.map((row) => row.campus))];
  if (campuses.length > 0) {
    const payload = campuses.length > maxNotifiedCampuses ? '*' : campuses.join(',');
    await client.query('SELECT pg_notify($1, $2)', [feedChannel, payload]);
  }
  await client.query('COMMIT');
}
