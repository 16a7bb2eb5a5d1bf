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
  // The end of this millisecond: a commit of the same one has not been rounded down.
  const receivedAt = now.getTime() * 1_000 + 999;
  return { ...transaction, time: commitTime(transaction, boots, receivedAt) };
}

/** @param body Of a transaction that was parked; one without a time is of a relay that did not keep it. */
export function datedBody(body: string): DatedTransaction {
  const stored = JSON.parse(body) as Transaction & Partial<DatedTransaction>;
  const { committedAt: at } = stored;
  return { ...stored, time: stored.time ?? { at, earliest: at, latest: at } };
}
