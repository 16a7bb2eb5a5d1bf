/**
 * A campus's transaction with the time that the relay made of it when it came. What is parked keeps that time: by its next
 * try nobody may remember any more what its boot was.
 */
import { type BootTimes, type CommitTime, commitTime, type Transaction } from '@skooly-edge/sync-protocol';

export interface DatedTransaction extends Transaction {
  time: CommitTime;
}

/** @param now Of the relay: no transaction is dated later. */
export function dated(transaction: Transaction, boots: BootTimes, now: Date): DatedTransaction {
  return { ...transaction, time: timeOf(transaction, boots, now) };
}

export function timeOf(
  transaction: Pick<Transaction, 'committedAt' | 'boot' | 'mono'>,
  boots: BootTimes,
  now: Date,
): CommitTime {
  // The end of this millisecond: a commit of the same one has not been rounded down.
  return commitTime(transaction, boots, now.getTime() * 1_000 + 999);
}

/** @param body Of a transaction that was parked; one without a time is of a relay that did not keep it. */
export function datedBody(body: string): DatedTransaction {
  const stored = JSON.parse(body) as Transaction & Partial<DatedTransaction>;
  const { committedAt: at } = stored;
  return { ...stored, time: stored.time ?? { at, earliest: at, latest: at } };
}
