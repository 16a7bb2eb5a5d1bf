/**
 * A unique clash that the sync map settles by a suffix: the campus's row is given another text, so that both rows live, and the
 * campus is told. Recorded with the text that it wanted.
 */
import { type Change, suffixed, type Table } from '@skooly-edge/sync-protocol';
import { applyGroup } from './apply-group.ts';
import type { DatedTransaction } from './dated.ts';
import { Outcome } from './outcome.ts';
import { type Refusal, refusalOf } from './refusal.ts';

/** So many texts are tried; if all are taken, a person decides. */
const maxSuffixes = 20;

interface Target {
  change: Change;
  index: number;
  column: string;
  constraint: string;
}

/** @returns whether the transaction is applied; if not, nothing of it is. */
export async function settleBySuffix(
  outcome: Outcome,
  transaction: DatedTransaction,
  refusal: Refusal,
): Promise<boolean> {
  const { campus, commit } = outcome.context;
  const renamed = new Map<number, { target: Target; tries: number }>();
  let changed = transaction;
  for (let clash: Refusal | null = refusal, round = 0; clash && round < maxSuffixes; round++) {
    const target = targetOf(commit.catalog.tables, changed, clash);
    if (!target) return false;
    const known = renamed.get(target.index) ?? { target, tries: 0 };
    renamed.set(target.index, { ...known, tries: known.tries + 1 });
    const wanted = transaction.changes[target.index]?.after?.[target.column] ?? '';
    const value = suffixed(wanted, campus, known.tries + 1);
    changed = { ...changed, changes: withValue(changed.changes, target, value) };
    const own = new Outcome(outcome.context);
    clash = await tryApply(own, changed);
    if (clash) continue;
    for (const { target } of renamed.values()) own.recordSuffix(transaction, changed, target);
    outcome.add(own);
    return true;
  }
  return false;
}

async function tryApply(own: Outcome, transaction: DatedTransaction): Promise<Refusal | null> {
  try {
    await own.context.commit.rows.attempt(() => applyGroup(own, [transaction]));
    return null;
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) throw error;
    return refusal;
  }
}

/** The change that wants the value that is taken, where the sync map has a suffix for it. */
function targetOf(
  tables: ReadonlyMap<string, Table>,
  transaction: DatedTransaction,
  { unique }: Refusal,
): Target | null {
  const rule = unique && tables.get(unique.table)?.rule.unique[unique.constraint];
  if (!rule || rule === 'inbox') return null;
  const column = rule.suffix;
  const index = transaction.changes.findIndex(
    ({ table, after }) =>
      table === unique.table && after?.[column] != null && unique.detail.includes(after[column]),
  );
  const change = transaction.changes[index];
  return change ? { change, index, column, constraint: unique.constraint } : null;
}

function withValue(changes: readonly Change[], { index, column }: Target, value: string): Change[] {
  return changes.map((change, i) =>
    i === index && change.after ? { ...change, after: { ...change.after, [column]: value } } : change,
  );
}
