/**
 * How long the feeds are kept: RELAY_FEED_KEEP_DAYS from the day on which an entry was written, and until its campus has
 * said that it applied it. Younger ones stay for the history that `newest` asks for, unread ones as long as there is
 * room. Beyond RELAY_FEED_BUDGET_BYTES the oldest go all the same, read ones first, but never those of the last
 * day; a campus that is behind what is kept hears FEED_TRIMMED, and needs a resync.
 *
 * The elected feed writer does it, in slices. A slice that is done twice changes nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { RelayError } from '../errors.ts';
import { forgetRows } from './feed-rows.ts';

export interface FeedRetentionSettings {
  keepDays: number;
  budgetBytes: number;
}

export const defaultFeedRetention: FeedRetentionSettings = {
  keepDays: 35,
  budgetBytes: 50 * 1024 * 1024 * 1024,
};

export interface FeedRetentionOptions {
  pool: Pool;
  settings: FeedRetentionSettings;
  /** Whether this relay writes the feed. */
  elected(): boolean;
  logger: Logger;
  intervalMs: number;
}

const entriesPerSlice = 1_000;
const pauseMs = 20;

/** Whatever the budget says, the last day stays. */
const floorDays = 1;

/** Runs until the signal aborts. A failure is logged; the next round tries again. */
export async function keepFeed(options: FeedRetentionOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      if (options.elected()) await tidyFeed(options, signal);
    } catch (error) {
      if (!signal.aborted) options.logger.warn({ err: error }, 'the feed could not be trimmed');
    }
    await sleep(options.intervalMs, undefined, { signal }).catch(() => {});
  }
}

/** One round. @returns how many entries were removed. */
export async function tidyFeed(
  { pool, settings, logger }: Pick<FeedRetentionOptions, 'pool' | 'settings' | 'logger'>,
  signal: AbortSignal,
): Promise<number> {
  await pool.query(
    `INSERT INTO sync.feed_day (campus, day, at, seq)
     SELECT campus, current_date, now(), feed_seq FROM sync.follower ON CONFLICT DO NOTHING`,
  );
  let removed = await removeUpTo(pool, settings.keepDays, 'read', signal);
  for (const which of ['read', 'unread'] as const) {
    for (let days = settings.keepDays - 1; days >= floorDays; days--) {
      if (signal.aborted || (await storedBytes(pool, settings.budgetBytes)) <= settings.budgetBytes) break;
      const early = await removeUpTo(pool, days, which, signal);
      if (early > 0) logger.warn({ removed: early, days, which }, 'the feeds are beyond their budget');
      removed += early;
    }
  }
  await pool.query(
    `DELETE FROM sync.feed_day d USING sync.feed_reader r
     WHERE r.campus = d.campus AND d.seq < r.trimmed_to AND d.at < now() - $1 * interval '1 day'`,
    [settings.keepDays],
  );
  if (removed > 0) logger.info({ removed }, 'feed entries were removed');
  return removed;
}

/** Removes what was written at least so many days ago; of a campus that still reads only what it has read, or all. */
async function removeUpTo(
  pool: Pool,
  days: number,
  which: 'read' | 'unread',
  signal: AbortSignal,
): Promise<number> {
  const { rows } = await pool.query<{ campus: string; last: string }>(
    `SELECT d.campus,
            CASE WHEN $2 OR c.revoked_at IS NOT NULL THEN max(d.seq)
                 ELSE least(max(d.seq), coalesce(r.read_seq, 0)) END AS last
     FROM sync.feed_day d
     LEFT JOIN sync.feed_reader r USING (campus) LEFT JOIN sync.campus c USING (campus)
     WHERE d.at <= now() - $1 * interval '1 day'
     GROUP BY d.campus, r.read_seq, r.trimmed_to, c.revoked_at
     HAVING max(d.seq) > coalesce(r.trimmed_to, 0)`,
    [days, which === 'unread'],
  );
  let removed = 0;
  for (const { campus, last } of rows) {
    const removedBefore = removed;
    for (let slice = 1; slice > 0 && !signal.aborted; ) {
      slice = await removeSlice(pool, campus, last);
      removed += slice;
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
    if (removed > removedBefore) await forgetRows(pool, campus);
  }
  return removed;
}

/** Seqs have no gaps, so a slice is a range. It is noted in the same commit, so that nobody is given a feed with a hole. */
async function removeSlice(pool: Pool, campus: string, last: string): Promise<number> {
  const { rows } = await pool.query<{ removed: string }>(
    `WITH reader AS (
       INSERT INTO sync.feed_reader AS r (campus, trimmed_to) VALUES ($1, least($2::bigint, $3::bigint))
       ON CONFLICT (campus) DO UPDATE SET trimmed_to = greatest(r.trimmed_to, least($2::bigint, r.trimmed_to + $3))
       RETURNING trimmed_to),
     gone AS (
       DELETE FROM sync.feed f USING reader WHERE f.campus = $1 AND f.seq <= reader.trimmed_to RETURNING 1)
     SELECT count(*) AS removed FROM gone`,
    [campus, last, entriesPerSlice],
  );
  return Number(rows[0]?.removed ?? 0);
}

/** What the entries take; the table's files tell it unless they are beyond the budget: they do not shrink by a delete. */
async function storedBytes(pool: Pool, budgetBytes: number): Promise<number> {
  const files = await pool.query<{ bytes: string }>("SELECT pg_total_relation_size('sync.feed') AS bytes");
  const atMost = Number(files.rows[0]?.bytes ?? 0);
  if (atMost <= budgetBytes) return atMost;
  const { rows } = await pool.query<{ bytes: string }>(
    'SELECT coalesce(sum(pg_column_size(body) + 100), 0) AS bytes FROM sync.feed',
  );
  return Number(rows[0]?.bytes ?? 0);
}

/** The campus has applied its feed up to `seq`; a box that was set back may say less than before. */
export async function noteFeedRead(pool: Pool, campus: string, seq: number): Promise<void> {
  await pool.query(
    `INSERT INTO sync.feed_reader AS r (campus, read_seq)
     SELECT campus, least($2::bigint, feed_seq) FROM sync.follower WHERE campus = $1
     ON CONFLICT (campus) DO UPDATE SET read_seq = excluded.read_seq, told_at = now()
     WHERE r.read_seq <> excluded.read_seq`,
    [campus, seq],
  );
}

/** The last entry that is no longer kept; 0 while all are. */
export async function feedTrimmedTo(pool: Pool, campus: string): Promise<number> {
  const { rows } = await pool.query<{ trimmed_to: string }>(
    'SELECT trimmed_to FROM sync.feed_reader WHERE campus = $1',
    [campus],
  );
  return Number(rows[0]?.trimmed_to ?? 0);
}

/** @throws RelayError FEED_TRIMMED when the entry after `seq` is no longer kept. */
export async function requireKept(pool: Pool, campus: string, seq: number): Promise<void> {
  const trimmedTo = await feedTrimmedTo(pool, campus);
  if (seq >= trimmedTo) return;
  throw new RelayError(
    'FEED_TRIMMED',
    `The feed is kept from ${trimmedTo + 1} on, the box asks for ${seq + 1}.`,
    {
      feedAfter: trimmedTo,
    },
  );
}
