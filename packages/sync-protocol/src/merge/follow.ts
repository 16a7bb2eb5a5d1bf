/**
 * The follower's rule. A campus holds the cloud's state at its feed cursor with its own later changes on top; an entry of
 * the feed says by its stamp which changes are later. Per column: has this campus changed it in a transaction
 * with seq > stamp? Keep its own value, the cloud will judge it; otherwise take the cloud's.
 *
 * Pure: what the campus has changed since the stamp is handed in, from its log, never guessed by comparing values.
 */
import type { Change, Correction, Row } from '../transaction/transaction.ts';

/** What this campus did to one row in transactions with seq > stamp. */
export interface OwnChanges {
  /** Columns changed; an insert or a delete changes all. */
  columns: ReadonlySet<string> | 'all';
  /** The last thing it did was to delete the row. */
  deleted: boolean;
}

export type FollowResult =
  | { kind: 'row'; row: Row | null }
  /** The entry changes a row that this campus does not have and has not deleted: the sites have drifted apart. */
  | { kind: 'drifted' };

export function followChange(change: Change, current: Row | null, own: OwnChanges | null): FollowResult {
  if (change.op === 'delete') return { kind: 'row', row: own ? current : null };
  if (current) return { kind: 'row', row: overlay(current, change.after ?? {}, own) };
  if (own?.deleted) return { kind: 'row', row: null };
  // What this campus inserted after the row was looked for is its own, and stays.
  if (change.op === 'update') return own ? { kind: 'row', row: null } : { kind: 'drifted' };
  return { kind: 'row', row: { ...change.key, ...change.after } };
}

export function followCorrection(
  correction: Correction,
  current: Row | null,
  own: OwnChanges | null,
): FollowResult {
  const { row } = correction;
  if (row === null) return { kind: 'row', row: own ? current : null };
  if (current) return { kind: 'row', row: overlay(current, row, own) };
  return { kind: 'row', row: own?.deleted ? null : row };
}

function overlay(current: Row, cloud: Row, own: OwnChanges | null): Row {
  if (!own) return { ...current, ...cloud };
  if (own.columns === 'all') return current;
  const row = { ...current };
  for (const [column, value] of Object.entries(cloud)) {
    if (!own.columns.has(column)) row[column] = value;
  }
  return row;
}
