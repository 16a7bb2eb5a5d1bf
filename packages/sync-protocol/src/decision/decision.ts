/**
 * What a person decides about an entry of the inbox. Kept in the entry itself (`sync.conflict.decision`), and so it travels
 * like any other row.
 */
import type { Row } from '../transaction/transaction.ts';

/** About two values for one row: whose stands, or others that the person gives. */
export type ValueDecision = { action: 'campus' } | { action: 'cloud' } | { action: 'values'; values: Row };

/** About a parked transaction: try it again, try it with other values, or let it go. The cloud carries it out. */
export type ParkedDecision =
  | { action: 'retry' }
  | { action: 'edit'; changes: EditedChange[] }
  | { action: 'drop' };

export interface EditedChange {
  /** Which change of the transaction, from 0. */
  index: number;
  /** Columns of `after` that get other values. */
  values: Row;
}

export type Decision = ValueDecision | ParkedDecision;

export function isParkedDecision(decision: Decision): decision is ParkedDecision {
  return decision.action === 'retry' || decision.action === 'edit' || decision.action === 'drop';
}
