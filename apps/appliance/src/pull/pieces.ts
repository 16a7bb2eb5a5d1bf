/** What one message of the stream brings: an entry of the feed, or a block of them; to be kept as it came, and to be applied. */
import {
  entryOfRow,
  type FeedColumns,
  type FeedGroup,
  groupOfEntries,
  openFeedBlock,
} from '@skooly-edge/sync-protocol';
import type { ReceivedBlock, ReceivedEntry } from '../sync-log/received.ts';
import type { EntryOrder } from './entry-order.ts';

/** Columns of a message as they arrive: Postgres text, parsed by nobody. */
export type PieceColumns = FeedColumns | { epoch: string; block: string; seal: string };

export interface Piece {
  received: ReceivedEntry | ReceivedBlock;
  group: FeedGroup;
}

/** @throws SyncError BATCH_MALFORMED */
export function readPiece(columns: PieceColumns): Piece {
  if ('block' in columns) {
    const block = Buffer.from(columns.block, 'base64');
    const group = openFeedBlock(block);
    const [firstSeq, lastSeq] = [group.heads[0]?.seq ?? 0, group.heads.at(-1)?.seq ?? 0];
    return { received: { epoch: columns.epoch, firstSeq, lastSeq, block, seal: columns.seal }, group };
  }
  const received = {
    epoch: columns.epoch,
    seq: Number(columns.seq),
    stampEpoch: columns.stamp_epoch,
    stampSeq: Number(columns.stamp_seq),
    committedAt: Number(columns.committed_at),
    lsn: Number(columns.lsn),
    body: columns.body,
    seal: columns.seal,
  };
  return { received, group: groupOfEntries([entryOfRow(columns)]) };
}

export function addPiece(order: EntryOrder, { received, group }: Piece): void {
  if ('block' in received) order.addBlock(group);
  else for (const entry of group.entries()) order.add(entry);
}
