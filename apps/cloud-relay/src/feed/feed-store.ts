/** The feed in Postgres: entries, followers and position, read at the beginning of a term, written in one transaction. */
import type { ClientBase } from 'pg';
import type { FeedCommit, FeedRow, Follower, Truncation } from './feed-builder.ts';
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

/** Writes the feed; a commit that comes in parts is one transaction until its end. */
export class FeedStore {
  readonly #client: ClientBase;
  #open = false;

  constructor(client: ClientBase) {
    this.#client = client;
  }

  async write(commit: FeedCommit): Promise<void> {
    const client = this.#client;
    if (!this.#open) await client.query('BEGIN');
    this.#open = true;
    await insertRows(client, commit.rows);
    for (const truncation of commit.truncations) await noteTruncation(client, truncation);
    if (commit.more) return;
    await moveFollowers(client, commit);
    await client.query('UPDATE sync.feed_position SET lsn = $1', [commit.position]);
    await tellCampuses(client, commit.followers);
    await client.query('COMMIT');
    this.#open = false;
  }
}

async function insertRows(client: ClientBase, rows: readonly FeedRow[]): Promise<void> {
  if (rows.length === 0) return;
  await client.query(
    `INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, body, seal)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                          $8::text[], $9::text[])`,
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

async function moveFollowers(client: ClientBase, { followers }: FeedCommit): Promise<void> {
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
}

async function tellCampuses(client: ClientBase, followers: readonly Follower[]): Promise<void> {
  if (followers.length === 0) return;
  const campuses = followers.map(({ campus }) => campus);
  const payload = campuses.length > maxNotifiedCampuses ? '*' : campuses.join(',');
  await client.query('SELECT pg_notify($1, $2)', [feedChannel, payload]);
}

/** An entry in the inbox of every campus that may hold rows of the table; the same however often it is read. */
async function noteTruncation(client: ClientBase, truncation: Truncation): Promise<void> {
  const { epoch, table, lsn, committedAt } = truncation;
  await client.query(
    `INSERT INTO sync.conflict (id, campus, kind, table_name, row_key, rule, detail, status, campus_at, cloud_at,
                                cloud_by, campus_epoch, campus_seq, created_at)
     SELECT md5($1 || $2 || $3 || campus)::uuid, campus, 'forbidden', $2, '{}', '{"*": "inbox"}', $4, 'open', at, at,
            'cloud', stamp_epoch, stamp_seq, at
     FROM sync.follower, (SELECT timestamptz 'epoch' + $5::bigint * interval '1 microsecond' AS at) AS time
     ON CONFLICT DO NOTHING`,
    [
      epoch,
      table,
      String(lsn),
      `TRUNCATE of ${table} in the cloud is not replicated: the campus keeps its rows, and a resync brings them back.`,
      committedAt,
    ],
  );
}
