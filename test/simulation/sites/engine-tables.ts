/** The engine's own tables in the model databases: what of the schema `sync` is not synced. Nobody captures them. */
import type { TableDefinition } from '../database/schema.ts';

function own(name: string, primaryKey: string[], others: string[]): TableDefinition {
  const columns = Object.fromEntries([...primaryKey, ...others].map((column) => [column, 'text' as const]));
  return { name, columns, primaryKey, published: false };
}

export const cloudTables: readonly TableDefinition[] = [
  own('sync.site', ['one'], ['epoch', 'timeline']),
  own('sync.cursor', ['campus', 'epoch'], ['seq']),
  own(
    'sync.parked',
    ['campus', 'epoch', 'seq'],
    ['kind', 'detail', 'body', 'conflict_id', 'waits_for', 'parked_at'],
  ),
  own('sync.dropped', ['campus', 'epoch', 'seq'], ['body', 'conflict_id']),
  own('sync.part', ['campus', 'epoch', 'seq'], ['body']),
  own(
    'sync.feed',
    ['campus', 'seq'],
    ['epoch', 'stamp_epoch', 'stamp_seq', 'committed_at', 'lsn', 'body', 'seal'],
  ),
  own('sync.follower', ['campus'], ['feed_seq', 'stamp_epoch', 'stamp_seq']),
  own('sync.feed_position', ['one'], ['lsn']),
  own('sync.salvage', ['campus', 'epoch'], ['fork_seq', 'given_seq']),
  own('sync.salvaged', ['change_id', 'epoch', 'lsn'], []),
];

export const campusTables: readonly TableDefinition[] = [
  own('sync.cursor', ['one'], ['epoch', 'followed', 'seq', 'fork_seq', 'stamp_epoch', 'stamp_seq']),
  own('sync.parked_entry', ['seq'], ['body', 'kind', 'detail']),
];

/** The key of a table that has one row. */
export const theOne = { one: 't' };

/** The replication origin that the engine's apply writes under. */
export const applyOrigin = 'edge_apply';

export const isApply = (origin: string) => origin === applyOrigin;
