/**
 * Tries a campus's parked transactions again, in order, in one commit of the cloud: those for which what they wait for has
 * changed, and those about which a person has decided. One that goes through is in the rows, and its entry in the inbox is
 * settled; one that does not stays parked, with its reason as it is now. What touches the rows of an earlier one that stays
 * waits behind it.
 *
 * The campus learns of it like of any commit of the cloud: its own transaction comes down to it, since its rows were
 * corrected when it was parked.
 */
import {
  type CorrectedMessage,
  conflictTable,
  correctedMessage,
  type Decision,
  type ParkedDecision,
  type Row,
  type Table,
} from '@skooly-edge/sync-protocol';
import { applyGroup } from './apply-group.ts';
import type { CloudCommit, CloudStore, ParkedTransaction } from './cloud-store.ts';
import type { DatedTransaction } from './dated.ts';
import type { IngestContext } from './ingest-context.ts';
import { Outcome } from './outcome.ts';
import { type Refusal, refusalOf, rowsOf } from './refusal.ts';
import { reopen, takeBack } from './undrop.ts';

export interface RetryResult {
  applied: number;
  dropped: number;
  /** Still parked. */
  left: number;
}

/** @param isDue Whether something has changed that the transaction waits for. */
export function retryParked(
  store: CloudStore,
  campus: string,
  isDue: (parked: ParkedTransaction) => boolean,
  now: Date,
): Promise<RetryResult> {
  return store.commit(async (commit) => {
    const result: RetryResult = { applied: 0, dropped: 0, left: 0 };
    const waiting = new Set<string>();
    const corrected = new Map<string, Outcome>();
    const wantedBack = await takeBack(commit, campus);
    // Nothing of this campus is parked or applied meanwhile.
    for (const epoch of await commit.parked.epochs(campus)) await commit.lockCursor(campus, epoch);
    const list = await commit.parked.list(campus);
    await reopen(commit, wantedBack, list, now);
    const decisions = await decisionsAbout(commit, list);
    for (const parked of list) {
      const context = { campus, epoch: parked.epoch, commit, now };
      const outcome = corrected.get(parked.epoch) ?? new Outcome(context);
      corrected.set(parked.epoch, outcome);
      const rows = [...rowsOf(parked.transaction)];
      const blocked = rows.some((row) => waiting.has(row));
      const decision = decisions.get(parked.conflictId) ?? null;
      const due = isDue(parked) || result.applied > 0;
      const fate = await retryOne(outcome, parked, decision, { blocked, due });
      result[fate]++;
      if (fate === 'left') for (const row of rows) waiting.add(row);
    }
    for (const outcome of corrected.values()) {
      const corrections = await outcome.write();
      if (corrections.length > 0)
        await commit.emit(correctedMessage, { campus, corrections } satisfies CorrectedMessage);
    }
    return result;
  });
}

async function retryOne(
  outcome: Outcome,
  parked: ParkedTransaction,
  decision: ParkedDecision | null,
  { blocked, due }: { blocked: boolean; due: boolean },
): Promise<keyof RetryResult> {
  const { commit } = outcome.context;
  const { campus, epoch, transaction } = parked;
  if (decision?.action === 'drop') {
    await commit.parked.drop(campus, epoch, transaction.seq);
    return 'dropped';
  }
  if (blocked || !(due || decision)) return 'left';
  const refusal = await tryApply(outcome, edited(transaction, decision));
  if (refusal) {
    await noteRefusal(outcome.context, parked, refusal, decision !== null);
    return 'left';
  }
  await commit.parked.remove(campus, epoch, transaction.seq);
  await settle(outcome.context, parked, decision);
  return 'applied';
}

async function tryApply(outcome: Outcome, transaction: DatedTransaction): Promise<Refusal | null> {
  const { commit } = outcome.context;
  try {
    const own = new Outcome(outcome.context);
    await commit.date(transaction.time.at);
    await commit.rows.attempt(() => applyGroup(own, [transaction]));
    outcome.add(own);
    return null;
  } catch (error) {
    const refusal = refusalOf(error);
    if (!refusal) throw error;
    return refusal;
  }
}

/** What people have decided, here or on campus, by the id of the entry in the inbox. */
async function decisionsAbout(
  commit: CloudCommit,
  list: readonly ParkedTransaction[],
): Promise<Map<string, ParkedDecision>> {
  const entries = await commit.rows.read(
    conflicts(commit),
    list.map(({ conflictId }) => ({ id: conflictId })),
  );
  return new Map(
    entries.flatMap(({ id, status, decision }) =>
      status === 'decided' && id && decision
        ? [[id, JSON.parse(decision) as Decision as ParkedDecision]]
        : [],
    ),
  );
}

function edited(transaction: DatedTransaction, decision: ParkedDecision | null): DatedTransaction {
  if (decision?.action !== 'edit') return transaction;
  const edits = new Map(decision.changes.map(({ index, values }) => [index, values]));
  const changes = transaction.changes.map((change, index) => {
    const values = edits.get(index);
    return values && change.after ? { ...change, after: { ...change.after, ...values } } : change;
  });
  return { ...transaction, changes };
}

/** The reason may be another one by now; a decision that led nowhere is open again. */
async function noteRefusal(
  { commit }: IngestContext,
  parked: ParkedTransaction,
  refusal: Refusal,
  decided: boolean,
): Promise<void> {
  if (!decided && refusal.kind === parked.kind && refusal.detail === parked.detail) return;
  const { kind, detail } = refusal;
  const { campus, epoch, transaction } = parked;
  await commit.parked.remove(campus, epoch, transaction.seq);
  await commit.parked.add({ ...parked, kind, detail, waitsFor: refusal.waitsFor ?? parked.waitsFor });
  const change: Row = { id: parked.conflictId, kind, detail, status: 'open' };
  await commit.rows.update(conflicts(commit), ['kind', 'detail', 'status'], [change]);
}

async function settle(
  { commit, now }: IngestContext,
  parked: ParkedTransaction,
  decision: ParkedDecision | null,
): Promise<void> {
  if (decision) return;
  const change: Row = {
    id: parked.conflictId,
    status: 'settled',
    decision: JSON.stringify({ action: 'retry' }),
    decided_at: now.toISOString(),
    decided_by: 'skooly-edge',
  };
  await commit.rows.update(conflicts(commit), ['status', 'decision', 'decided_at', 'decided_by'], [change]);
}

function conflicts(commit: CloudCommit): Table {
  return commit.catalog.tables.get(conflictTable) as Table;
}
