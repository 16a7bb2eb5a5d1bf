/** A row of `sync.feed` as it travels: Postgres text in every column. */
import type { FeedEntry } from '../transaction/transaction.ts';

export type FeedColumns = Record<
  'epoch' | 'seq' | 'stamp_epoch' | 'stamp_seq' | 'committed_at' | 'lsn' | 'body' | 'seal',
  string
>;

export function entryOfRow(row: FeedColumns): FeedEntry {
  const { changes, corrections, more } = JSON.parse(row.body) as FeedEntry;
  return {
    epoch: row.epoch,
    seq: Number(row.seq),
    stamp: { epoch: row.stamp_epoch, seq: Number(row.stamp_seq) },
    committedAt: Number(row.committed_at),
    lsn: Number(row.lsn),
    ...(more && { more }),
    changes,
    corrections,
  };
}

/** The column `body` of the entry. */
export function bodyOf({ changes, corrections, more }: FeedEntry): string {
  return JSON.stringify({ changes, corrections, ...(more && { more }) });
}
