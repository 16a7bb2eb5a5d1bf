/**
 * A decision about a parked transaction that is taken back: what was dropped is parked again, and its entry is open as before.
 * A transaction that has gone through meanwhile stays: its entry is settled, and its rows are ordinary rows.
 */
import { conflictTable, type DecisionRecord, type Row, type Table } from '@skooly-edge/sync-protocol';
import type { CloudCommit, ParkedTransaction } from './cloud-store.ts';

/** @returns the entries whose decision is taken back. */
export async function takeBack(commit: CloudCommit, campus: string): Promise<string[]> {
  const wanted = await commit.parked.takeBack(campus);
  for (const { dropped } of wanted) if (dropped) await commit.parked.add(dropped);
  return wanted.map(({ conflictId }) => conflictId);
}

export async function reopen(
  commit: CloudCommit,
  conflictIds: readonly string[],
  parked: readonly ParkedTransaction[],
  now: Date,
): Promise<void> {
  if (conflictIds.length === 0) return;
  const conflicts = commit.catalog.tables.get(conflictTable) as Table;
  const waiting = new Set(parked.map(({ conflictId }) => conflictId));
  const entries = await commit.rows.lock(
    conflicts,
    conflictIds.map((id) => ({ id })),
  );
  for (const entry of entries) {
    const { history } = JSON.parse(entry.decision ?? '{}') as DecisionRecord;
    const state = waiting.has(entry.id ?? '') ? openAgain(history) : wentThrough(history, now);
    await commit.rows.update(conflicts, Object.keys(state), [{ id: entry.id ?? null, ...state }]);
  }
}

function openAgain(history: DecisionRecord['history']): Row {
  return { status: 'open', decided_at: null, decided_by: null, decision: JSON.stringify({ history }) };
}

function wentThrough(history: DecisionRecord['history'], now: Date): Row {
  const decision = JSON.stringify({ action: 'retry', history });
  return { status: 'settled', decided_at: now.toISOString(), decided_by: 'skooly-edge', decision };
}
