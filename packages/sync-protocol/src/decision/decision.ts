/**
 * What a person decides about an entry of the inbox. Kept in the entry itself (`sync.conflict.decision`), and so it travels
 * like any other row.
 */
import type { Row } from '../transaction/transaction.ts';

/**
 * About two values for one row: whose stands, or others that the person gives. Where the row's existence is in dispute, the
 * side that deleted it means no row, and values mean the row with these columns set.
 */
export type ValueDecision = { action: 'campus' } | { action: 'cloud' } | { action: 'values'; values: Row };

/**
 * About a parked transaction: try it again, try it with other values, or let it go. The cloud carries it out. `undrop` takes
 * such a decision back: the transaction is parked as it was, and its entry open, unless it has gone through meanwhile.
 */
export type ParkedDecision =
  | { action: 'retry' }
  | { action: 'edit'; changes: EditedChange[] }
  | { action: 'drop' }
  | { action: 'undrop' };

export interface EditedChange {
  /** Which change of the transaction, from 0. */
  index: number;
  /** Columns of `after` that get other values. */
  values: Row;
}

export type Decision = ValueDecision | ParkedDecision;

/** What a person may ask for; the rest is what an undo leaves. */
export type NewDecision = Exclude<Decision, { action: 'undrop' }>;

export function isParkedDecision(decision: Decision): decision is ParkedDecision {
  return ['retry', 'edit', 'drop', 'undrop'].includes(decision.action);
}

/** What a decision does to the row that it is about. */
export interface RowWrite {
  op: 'update' | 'insert' | 'delete';
  /** `update`: the columns that change, as they were. `delete`: the whole row. `insert`: null. */
  before: Row | null;
  /** `update`: the same columns, as they become. `insert`: the whole row. `delete`: null. */
  after: Row | null;
}

/** A decision as the entry keeps it: what was decided, and what it takes to undo it. */
export type StandingDecision = Decision & {
  /** The entry's status before. */
  was?: 'open' | 'settled';
  /** The site at which it was decided. */
  site?: string;
  /** What was written; null: the row stood as was decided. */
  wrote?: RowWrite | null;
};

/** A decision that stands no more. */
export interface PastDecision {
  decision: StandingDecision;
  decidedAt: string | null;
  decidedBy: string | null;
  /** `refused`: the cloud tried the parked transaction, and could not apply it. */
  ended: 'undone' | 'refused';
  endedAt: string;
  endedBy: string;
}

/** `sync.conflict.decision`: the one that stands, if any does, and those before it, the oldest first. */
export type DecisionRecord = (StandingDecision | { action?: undefined }) & { history?: PastDecision[] };

/** The decision of `record` that stands. */
export function standingDecision(record: DecisionRecord | null): StandingDecision | null {
  if (!record?.action) return null;
  const { history: _history, ...standing } = record;
  return standing;
}
