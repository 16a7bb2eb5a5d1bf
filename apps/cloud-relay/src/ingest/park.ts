/**
 * Parks a transaction: it is kept whole with its reason, the rows that it touched are corrected on campus to what the cloud
 * has, and only what touches the same rows waits with it.
 */
import { type Change, keyOf, type Row } from '@skooly-edge/sync-protocol';
import type { CloudCommit } from './cloud-store.ts';
import type { DatedTransaction } from './dated.ts';
import type { Outcome } from './outcome.ts';
import { visibleTo } from './owner.ts';
import { blamed, type Refusal } from './refusal.ts';

export async function park(outcome: Outcome, transaction: DatedTransaction, refusal: Refusal): Promise<void> {
  const { campus, epoch, commit } = outcome.context;
  const change = blamed(transaction, refusal);
  const current = change ? await visibleRow(commit, campus, change) : null;
  await commit.parked.add({
    campus,
    epoch,
    kind: refusal.kind,
    detail: refusal.detail,
    transaction,
    conflictId: outcome.recordRefusal(transaction, refusal, current),
    waitsFor: refusal.waitsFor ?? [...new Set(transaction.changes.map(({ table }) => table))],
  });
  for (const { table, key } of transaction.changes) outcome.correct(table, key);
}

/** The cloud's row that the change speaks of, if it belongs to this campus. */
async function visibleRow(commit: CloudCommit, campus: string, change: Change): Promise<Row | null> {
  const table = commit.catalog.tables.get(change.table);
  if (!table || table.keyColumns.some((column) => !(column in change.key))) return null;
  const [row] = await commit.rows.read(table, [keyOf(change.key, table.keyColumns)]);
  return visibleTo(campus, commit.rows, table, row);
}
