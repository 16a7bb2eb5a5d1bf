/**
 * Transactions that came in parts: each part is set aside when it comes, and with the last one all of them are applied in one
 * commit, part by part, so that memory holds one part however large the transaction is. Foreign keys are looked at when all
 * of it stands. If anything in it cannot be applied, the whole transaction is parked.
 */
import {
  BrokenReferenceError,
  type Change,
  keyOf,
  type Row,
  type RowChange,
  rowId,
} from '@skooly-edge/sync-protocol';
import { applyAll, parkOne } from './apply-all.ts';
import { applyGroup } from './apply-group.ts';
import type { CloudCommit } from './cloud-store.ts';
import type { DatedTransaction } from './dated.ts';
import { Outcome } from './outcome.ts';
import { type RefusalKind, RefusedError, refusalOf, touchesAny } from './refusal.ts';

/** Whether the parts of a transaction have come without its last one. Kept up to date while batches are applied. */
export interface OpenParts {
  open: boolean;
}

/** Applies what is whole, and sets aside what is not. @returns the seq of the last transaction applied; null when none was. */
export async function applyRuns(
  outcome: Outcome,
  transactions: readonly DatedTransaction[],
  waiting: Map<string, RefusalKind>,
  parts: OpenParts,
): Promise<number | null> {
  const { campus, epoch, commit } = outcome.context;
  let applied: number | null = null;
  for (let next = 0; next < transactions.length; ) {
    const transaction = transactions[next] as DatedTransaction;
    if (transaction.more || parts.open) {
      next++;
      parts.open = transaction.more === true;
      if (parts.open) await commit.parts.add(campus, epoch, transaction);
      else {
        await applyParts(outcome, transaction, waiting);
        applied = transaction.seq;
      }
      continue;
    }
    const stop = transactions.findIndex((other, i) => i >= next && other.more);
    const end = stop === -1 ? transactions.length : stop;
    await applyAll(outcome, transactions.slice(next, end), waiting);
    applied = (transactions[end - 1] as DatedTransaction).seq;
    next = end;
  }
  return applied;
}

async function applyParts(
  outcome: Outcome,
  last: DatedTransaction,
  waiting: Map<string, RefusalKind>,
): Promise<void> {
  const { campus, epoch, commit } = outcome.context;
  const own = new Outcome(outcome.context);
  try {
    await commit.rows.attempt(async () => {
      for await (const part of allParts(commit, campus, epoch, last)) {
        refuseWaiting(part, waiting);
        await applyGroup(own, [part], 'later');
      }
      for await (const part of allParts(commit, campus, epoch, last))
        await checkReferences(commit, part.changes);
    });
    outcome.add(own);
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) throw error;
    const changes: Change[] = [];
    for await (const part of allParts(commit, campus, epoch, last)) changes.push(...part.changes);
    await parkOne(outcome, { ...last, changes }, refusal, waiting);
  }
  await commit.parts.clear(campus, epoch);
}

async function* allParts(
  commit: CloudCommit,
  campus: string,
  epoch: string,
  last: DatedTransaction,
): AsyncGenerator<DatedTransaction> {
  let part = await commit.parts.after(campus, epoch, 0);
  for (; part; part = await commit.parts.after(campus, epoch, part.seq)) yield part;
  yield last;
}

function refuseWaiting(part: DatedTransaction, waiting: ReadonlyMap<string, RefusalKind>): void {
  const kind = touchesAny(part, waiting);
  if (kind) throw new RefusedError(kind, 'It waits for an earlier transaction.', part.changes[0] as Change);
}

/** @throws BrokenReferenceError when a row that the changes touched refers to nothing, or left one that does. */
async function checkReferences(commit: CloudCommit, changes: readonly Change[]): Promise<void> {
  const current = new Map<string, Row>();
  const keys = Map.groupBy(changes, (change) => change.table);
  for (const [name, group] of keys) {
    const table = commit.catalog.tables.get(name);
    if (!table) continue;
    const rows = await commit.rows.read(
      table,
      group.map((change) => change.key),
    );
    for (const row of rows) current.set(rowId(name, keyOf(row, table.keyColumns)), row);
  }
  const rowChanges = changes.flatMap(({ table: name, key, op, before }): RowChange[] => {
    const table = commit.catalog.tables.get(name);
    const after = current.get(rowId(name, key)) ?? null;
    return table ? [{ table, before: op === 'insert' ? null : { ...after, ...before }, after }] : [];
  });
  // An update can have brought back a row that was gone: then what it does not speak of is new as well.
  const written = rowChanges.map((change) => ({ ...change, before: null }));
  const problem =
    (await commit.rows.missingParent(written)) ?? (await commit.rows.remainingChild(rowChanges));
  if (problem) throw new BrokenReferenceError(problem);
}
