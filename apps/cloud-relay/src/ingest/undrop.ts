/**
 * Decisions about parked transactions that are taken back, or that two people made differently on both sides. What was dropped
 * and is to be otherwise is parked again. A transaction that has gone through stays: whatever was decided later, its entry
 * is settled, and its rows are ordinary rows. The decision stays in the entry's history.
 */
import {
  conflictTable,
  type DecisionRecord,
  type PastDecision,
  type Row,
  standingDecision,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { CloudCommit, ParkedTransaction } from './cloud-store.ts';

/** @returns the entries that are not as their decision says. */
export async function takeBack(commit: CloudCommit, campus: string): Promise<string[]> {
  const wanted = await commit.parked.takeBack(campus);
  for (const { dropped } of wanted) if (dropped) await commit.parked.add(dropped);
  return wanted.map(({ conflictId }) => conflictId);
}

/** Entries whose transaction waits are open again; a decision to retry or edit it stands, and is carried out next. */
export async function reopen(
  commit: CloudCommit,
  conflictIds: readonly string[],
  parked: readonly ParkedTransaction[],
  now: Date,
): Promise<void> {
  if (conflictIds.length === 0) return;
  const conflicts = commit.catalog.tables.get(conflictTable) as Table;
  const waiting = new Set(parked.map(({ conflictId }) => conflictId));
  const ids = conflictIds.map((id) => ({ id }));
  for (const entry of await commit.rows.lock(conflicts, ids)) {
    const state = stateOf(entry, waiting.has(entry.id ?? ''), now);
    if (state) await commit.rows.update(conflicts, Object.keys(state), [{ id: entry.id ?? null, ...state }]);
  }
}

/** @returns null: as it is. */
function stateOf(entry: Row, waits: boolean, now: Date): Row | null {
  const record = JSON.parse(entry.decision ?? '{}') as DecisionRecord;
  const standing = standingDecision(record);
  const history = [...(record.history ?? [])];
  if (waits) {
    if (standing?.action !== 'undrop') return null;
    return { status: 'open', decided_at: null, decided_by: null, decision: JSON.stringify({ history }) };
  }
  const endedAt = now.toISOString();
  if (standing?.action === 'drop') {
    const { decided_at: decidedAt = null, decided_by: decidedBy = null } = entry;
    const ended = { ended: 'refused', endedAt, endedBy: 'skooly-edge' } as const;
    history.push({ decision: standing, decidedAt, decidedBy, ...ended } satisfies PastDecision);
  }
  const decision = JSON.stringify({ action: 'retry', history });
  return { status: 'settled', decided_at: endedAt, decided_by: 'skooly-edge', decision };
}
