/**
 * Ingest applies what a campus pushes, in one commit of the cloud: lock the campus's cursor, leave out what is applied
 * already, merge the rest, write rows, conflicts and corrections, move the cursor, commit. That the cursor moves in
 * the same commit is the whole of exactly-once.
 *
 * First the batch is tried as one group. If anything in it cannot be applied, the group is undone and tried in halves,
 * until the transaction that is to blame stands alone and is parked: one poisoned row costs a few repetitions,
 * and delays nothing else. It does not promise that a batch that was not answered was not applied: the sender asks for
 * the cursor.
 */
import { type AppliedMessage, appliedMessage, type Batch } from '@skooly-edge/sync-protocol';
import { RelayError } from '../errors.ts';
import { applyGroup } from './apply-group.ts';
import type { CloudCommit, CloudStore } from './cloud-store.ts';
import { type DatedTransaction, dated } from './dated.ts';
import { Outcome } from './outcome.ts';
import { park } from './park.ts';
import { type RefusalKind, refusalOf, rowsOf, touchesAny } from './refusal.ts';

export interface Cursor {
  epoch: string;
  seq: number;
}

export interface PushResult {
  cursor: Cursor;
  /** Conflicts recorded by this push. */
  conflicts: number;
  /** Transactions of the campus that are parked in all. */
  parked: number;
}

export interface IngestOptions {
  store: CloudStore;
  now(): Date;
}

export class Ingest {
  readonly #options: IngestOptions;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** @throws RelayError SEQ_GAP when transactions between the cursor and the batch are missing. */
  push(campus: string, batch: Batch): Promise<PushResult> {
    return this.#options.store.commit((commit) => this.#push(commit, campus, batch));
  }

  async #push(commit: CloudCommit, campus: string, batch: Batch): Promise<PushResult> {
    const { epoch } = batch;
    const seq = await commit.lockCursor(campus, epoch);
    const now = this.#options.now();
    const fresh = batch.transactions
      .filter((transaction) => transaction.seq > seq)
      .map((transaction) => dated(transaction, batch.boots ?? {}, now));
    const first = fresh[0];
    const last = fresh.at(-1);
    if (!first || !last) {
      return { cursor: { epoch, seq }, conflicts: 0, parked: await commit.parked.count(campus) };
    }
    if (first.seq !== seq + 1) {
      throw new RelayError('SEQ_GAP', `The batch begins with ${first.seq}; the cursor stands at ${seq}.`, {
        cursor: { epoch, seq },
      });
    }
    await commit.date(last.time.at);
    const outcome = new Outcome({ campus, epoch, commit, now });
    await applyAll(outcome, fresh, await commit.parked.waitingRows(campus));
    const corrections = await outcome.write();
    await commit.emit(appliedMessage, { campus, epoch, seq: last.seq, corrections } satisfies AppliedMessage);
    await commit.moveCursor(campus, epoch, last.seq);
    const parked = await commit.parked.count(campus);
    return { cursor: { epoch, seq: last.seq }, conflicts: outcome.conflicts, parked };
  }
}

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
    if (only && transactions.length === 1) return parkOne(outcome, only, refusal, waiting);
    const middle = Math.ceil(transactions.length / 2);
    await applyAll(outcome, transactions.slice(0, middle), waiting);
    await applyAll(outcome, transactions.slice(middle), waiting);
  }
}

async function parkOne(
  outcome: Outcome,
  transaction: DatedTransaction,
  refusal: Parameters<typeof park>[2],
  waiting: Map<string, RefusalKind>,
): Promise<void> {
  await park(outcome, transaction, refusal);
  for (const row of rowsOf(transaction)) waiting.set(row, refusal.kind);
}
