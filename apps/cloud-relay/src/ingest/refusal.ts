/**
 * Why a transaction cannot be applied: what this campus may not do, found before anything is written, and what the
 * database's own rules refuse. A refused transaction is parked; any other error is the relay's own trouble.
 */
import {
  BrokenReferenceError,
  type Change,
  keyOf,
  type Row,
  rowId,
  type Table,
  type Transaction,
} from '@skooly-edge/sync-protocol';
import type { DatabaseError } from 'pg';

export type RefusalKind =
  | 'forbidden'
  | 'out_of_scope'
  | 'column_unknown'
  | 'unique_clash'
  | 'parent_missing'
  | 'delete_referenced'
  | 'check_violated';

export interface Refusal {
  kind: RefusalKind;
  /** One sentence for the person who looks at the inbox. */
  detail: string;
  /** The change that is to blame, where one is known. */
  change?: Change;
  /** With unique_clash: which constraint, and what Postgres says of the values. */
  unique?: { table: string; constraint: string; detail: string };
  /** Tables whose changes can lift the refusal; the transaction's own where nothing is said. */
  waitsFor?: readonly string[];
}

export class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(kind: RefusalKind, detail: string, change: Change) {
    super(detail);
    this.name = 'RefusedError';
    this.refusal = { kind, detail, change };
  }
}

/** @throws RefusedError for a change that this campus may not make. */
export function authorise(campus: string, table: Table, change: Change, current: Row | null): void {
  const { rule } = table;
  if (rule.direction === 'down')
    throw new RefusedError('forbidden', `A campus may not write ${change.table}.`, change);
  const readOnly = rule.readOnlyColumns.find((column) => column in (change.after ?? {}));
  if (readOnly !== undefined && change.op === 'update') {
    throw new RefusedError('forbidden', `A campus may not write ${change.table}.${readOnly}.`, change);
  }
  if (rule.appendOnly && change.op !== 'insert') {
    throw new RefusedError(
      'forbidden',
      `Rows of ${change.table} may be added, never changed or deleted.`,
      change,
    );
  }
  checkScope(campus, rule.scope, change, current);
}

/** @throws RefusedError for a change that speaks of columns that the cloud does not have. */
export function checkColumns(table: Table, change: Change): void {
  const written = { ...change.before, ...change.after };
  const unknown = Object.keys(written).find((column) => !table.columns.has(column));
  if (unknown !== undefined) {
    throw new RefusedError(
      'column_unknown',
      `${change.table} has no column ${unknown} in the cloud.`,
      change,
    );
  }
  // The order counts: rows are known by their key's values alone.
  const fitting = Object.keys(keyOf(change.key, table.keyColumns));
  if (Object.keys(change.key).join('\0') !== fitting.join('\0')) {
    throw new RefusedError(
      'column_unknown',
      `The key of ${change.table} is (${table.keyColumns.join(', ')}).`,
      change,
    );
  }
  const { after } = change;
  const other = after && table.keyColumns.find((name) => name in after && after[name] !== change.key[name]);
  if (other != null) {
    throw new RefusedError(
      'forbidden',
      `A change of ${change.table} names one row and holds another (${other}).`,
      change,
    );
  }
}

/** @throws RefusedError for a transaction that truncated a table: which rows that took, no change tells. */
export function refuseTruncate({ truncated }: Transaction): void {
  const table = truncated?.[0];
  if (table === undefined) return;
  const change: Change = { table, key: {}, op: 'delete', before: {}, after: null };
  throw new RefusedError(
    'forbidden',
    `TRUNCATE of ${truncated?.join(', ')} is not replicated: the rows come back. Use DELETE to remove rows on both sides.`,
    change,
  );
}

/** Both the row as it stands and the row as it would become must belong to the campus. */
function checkScope(campus: string, scope: string | null, change: Change, current: Row | null): void {
  if (scope === null) return;
  const owners = [current?.[scope], change.before?.[scope], change.after?.[scope]];
  const foreign = owners.find((owner) => owner !== undefined && owner !== campus);
  if (foreign !== undefined) throw outOfScope(campus, change);
}

export function outOfScope(campus: string, change: Change): RefusedError {
  return new RefusedError(
    'out_of_scope',
    `The row of ${change.table} does not belong to campus ${campus}.`,
    change,
  );
}

/** @returns null for an error that says nothing about the transaction. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof RefusedError) return error.refusal;
  if (error instanceof BrokenReferenceError) {
    const { kind, foreignKey } = error.problem;
    const other = kind === 'parent_missing' ? foreignKey.parent : foreignKey.child;
    return { kind, detail: `${error.message}.`, waitsFor: [other] };
  }
  const { code = '', message = '', ...more } = error as Partial<DatabaseError>;
  if (code === '23505') {
    const { schema = '', table = '', constraint = '', detail = '' } = more;
    const unique = { table: `${schema}.${table}`, constraint, detail };
    return { kind: 'unique_clash', detail: `${message}.`, unique };
  }
  if (code === '23503') return { kind: 'parent_missing', detail: `${message}.` };
  // 23: other integrity constraints; 22: a value that the column's type does not take; 42804, 42846: nor can be cast to it.
  if (code.startsWith('23') || code.startsWith('22') || code === '42804' || code === '42846')
    return { kind: 'check_violated', detail: `${message}.` };
  return null;
}

/** The change that a refusal speaks of: the one that is named, the one that wants the value that is taken, or the first. */
export function blamed(transaction: Transaction, { change, unique }: Refusal): Change | undefined {
  if (change) return change;
  const wants = ({ table, after }: Change) =>
    table === unique?.table &&
    Object.values(after ?? {}).some((value) => value && unique.detail.includes(`(${value})`));
  return transaction.changes.find(wants) ?? transaction.changes[0];
}

/** Identities of the rows that the transaction touches. */
export function* rowsOf(transaction: Transaction): Generator<string> {
  for (const change of transaction.changes) yield rowId(change.table, change.key);
}

/** @returns what a row of the transaction waits for, if any does. */
export function touchesAny(
  transaction: Transaction,
  waiting: ReadonlyMap<string, RefusalKind>,
): RefusalKind | undefined {
  if (waiting.size === 0) return undefined;
  for (const row of rowsOf(transaction)) {
    const kind = waiting.get(row);
    if (kind) return kind;
  }
  return undefined;
}
