/**
 * Applies or parks whole transactions, in order: as one group if nothing stands in the way, in halves if something does, until
 * the one that is to blame stands alone.
 */
import { applyGroup } from './apply-group.ts';
import type { DatedTransaction } from './dated.ts';
import { Outcome } from './outcome.ts';
import { park } from './park.ts';
import { type Refusal, type RefusalKind, refusalOf, rowsOf, touchesAny } from './refusal.ts';
import { settleBySuffix } from './settle-unique.ts';

/**
 * Applies or parks every one of the transactions, in order.
 *
 * @param waiting Rows of parked transactions: what touches them waits too. Grows with what is parked here.
 */
export async function applyAll(
  outcome: Outcome,
  transactions: readonly DatedTransaction[],
  waiting: Map<string, RefusalKind>,
): Promise<void> {
  for (let next = 0; next < transactions.length; ) {
    const stop = transactions.findIndex((transaction, i) => i >= next && touchesAny(transaction, waiting));
    const end = stop === -1 ? transactions.length : stop;
    if (end > next) await applyOrSplit(outcome, transactions.slice(next, end), waiting);
    next = end;
    const blocked = transactions[end];
    const kind = blocked && touchesAny(blocked, waiting);
    if (!blocked || !kind) continue;
    await parkOne(outcome, blocked, { kind, detail: 'It waits for an earlier transaction.' }, waiting);
    next++;
  }
}

async function applyOrSplit(
  outcome: Outcome,
  transactions: readonly DatedTransaction[],
  waiting: Map<string, RefusalKind>,
): Promise<void> {
  const { commit } = outcome.context;
  try {
    const own = new Outcome(outcome.context);
    await commit.rows.attempt(() => applyGroup(own, transactions));
    outcome.add(own);
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) throw error;
    const [only] = transactions;
    if (only && transactions.length === 1) {
      if (await settleBySuffix(outcome, only, refusal)) return;
      return parkOne(outcome, only, refusal, waiting);
    }
    const middle = Math.ceil(transactions.length / 2);
    await applyAll(outcome, transactions.slice(0, middle), waiting);
    await applyAll(outcome, transactions.slice(middle), waiting);
  }
}

export async function parkOne(
  outcome: Outcome,
  transaction: DatedTransaction,
  refusal: Refusal,
  waiting: Map<string, RefusalKind>,
): Promise<void> {
  await park(outcome, transaction, refusal);
  for (const row of rowsOf(transaction)) waiting.set(row, refusal.kind);
}
