/**
 * What a decision writes. Pure: an entry of the inbox, the row as it stands and the site go in; a write of one row comes
 * out, or a DecisionError that says what does not fit and what to do.
 *
 * A row that has changed since the conflict was recorded is no hindrance: the decision is about what shall stand from now
 * on. But the plan says that it has, and what stands now.
 */
import type { Table } from '../postgres/apply/catalog.ts';
import { conflictTable } from '../sync-map/sync-map.ts';
import type { Row } from '../transaction/transaction.ts';
import { isParkedDecision, type NewDecision, type RowWrite, standingDecision } from './decision.ts';
import { type ConflictEntry, questionOf } from './entry.ts';
import { DecisionError } from './errors.ts';
import { mayWrite } from './may-write.ts';
import { checkParkedDecision } from './parked-decision.ts';

export interface PlanInput {
  entry: ConflictEntry;
  decision: NewDecision;
  /** `cloud`, or the campus at which it is decided. */
  site: string;
  /** Undefined for a table that is not synced any more. */
  table: Table | undefined;
  /** The row as it stands at this site; null when there is none. */
  current: Row | null;
}

export interface Plan {
  /** Null: the row stands as is decided, or the decision is not about one row. */
  write: RowWrite | null;
  /** The row is another one than when the conflict was recorded. */
  changedSince: boolean;
}

const allowed = {
  values: 'campus, cloud, values',
  exists: 'campus, cloud, values',
  parked: 'retry, edit, drop',
  nothing: '',
};

/** @throws DecisionError */
export function planDecision(input: PlanInput): Plan {
  const { entry, decision, table, current } = input;
  checkIsOpenToDecision(entry);
  const question = questionOf(entry);
  if (question === 'nothing') {
    throw new DecisionError('DELETED_TWICE');
  }
  if (isParkedDecision(decision) !== (question === 'parked')) {
    const { kind } = entry;
    throw new DecisionError('WRONG_ACTION', { kind, action: decision.action, allowed: allowed[question] });
  }
  if (isParkedDecision(decision)) {
    checkParkedDecision(entry, decision, table);
    return { write: null, changedSince: false };
  }
  if (!table) throw new DecisionError('TABLE_UNKNOWN', { table: entry.table });
  if (decision.action === 'values') checkValues(input, table, decision.values, question);
  const write = question === 'exists' ? planExistence(input, table) : planColumns(input, table);
  if (write) mayWrite(input.site, table, write, current);
  return { write, changedSince: hasChanged(entry, current) };
}

function checkIsOpenToDecision({ status, kind, table, key, decision, decidedBy, decidedAt }: ConflictEntry) {
  if (table === conflictTable) throw new DecisionError('ABOUT_A_DECISION', { id: key.id ?? '' });
  if (status === 'decided') {
    const action = standingDecision(decision)?.action ?? kind;
    throw new DecisionError('ALREADY_DECIDED', { by: decidedBy ?? '', at: decidedAt ?? '', action });
  }
  if (status === 'settled' && decision?.action === 'retry') {
    throw new DecisionError('WENT_THROUGH');
  }
}

/** Values may be set for the columns in dispute; where the whole row is, for any column but its key. */
function checkValues({ entry }: PlanInput, table: Table, values: Row, question: string): void {
  if (Object.keys(values).length === 0) throw new DecisionError('VALUES_MISSING');
  const settable = question === 'exists' ? table.columnNames : disputedColumns(entry);
  const usable = settable.filter((name) => table.columns.has(name) && !table.keyColumns.includes(name));
  const column = Object.keys(values).find((name) => !usable.includes(name));
  if (column !== undefined) {
    throw new DecisionError('COLUMN_UNKNOWN', { column, table: table.name, allowed: usable.join(', ') });
  }
}

function disputedColumns({ campusValue, cloudValue }: ConflictEntry): string[] {
  return Object.keys({ ...campusValue, ...cloudValue });
}

function planColumns({ entry, decision, current }: PlanInput, table: Table): RowWrite | null {
  const wanted = wantedValues(entry, decision);
  if (!current) {
    if (decision.action === 'cloud') return null;
    throw new DecisionError('ROW_GONE', { table: table.name });
  }
  const column = Object.keys(wanted).find((name) => !table.columns.has(name));
  if (column !== undefined) {
    const known = Object.keys(wanted).filter((name) => table.columns.has(name));
    throw new DecisionError('COLUMN_UNKNOWN', { column, table: table.name, allowed: known.join(', ') });
  }
  return difference(current, wanted);
}

function planExistence(input: PlanInput, table: Table): RowWrite | null {
  const wanted = wantedRow(input, table);
  const { current } = input;
  if (wanted === null) return current && { op: 'delete', before: current, after: null };
  if (current) return difference(current, wanted);
  const missing = table.columnNames.filter((name) => !(name in wanted));
  if (missing.length > 0) {
    throw new DecisionError('ROW_INCOMPLETE', { table: table.name, columns: missing.join(', ') });
  }
  return { op: 'insert', before: null, after: wanted };
}

/**
 * The row as it shall stand; null for none. Columns that the table no longer has stay in the entry.
 * Where it stands already, only what the decision is about is written.
 */
function wantedRow({ entry, decision, current }: PlanInput, table: Table): Row | null {
  const deletedBy = entry.kind === 'delete_differs' ? 'campus' : 'cloud';
  if (decision.action === deletedBy) return null;
  const values = decision.action === 'values' ? decision.values : {};
  const survivor = entry.kind === 'delete_differs' ? entry.cloudValue : entry.campusValue;
  if (current) return { ...(entry.kind === 'delete_differs' ? {} : survivor), ...values };
  const known: Row = { ...entry.before, ...survivor, ...entry.key, ...values };
  return Object.fromEntries(Object.entries(known).filter(([name]) => table.columns.has(name)));
}

function wantedValues(entry: ConflictEntry, decision: NewDecision): Row {
  if (decision.action === 'values') return decision.values;
  return (decision.action === 'campus' ? entry.campusValue : entry.cloudValue) ?? {};
}

/** @returns null when the row has these values already. */
export function difference(current: Row, wanted: Row): RowWrite | null {
  const columns = Object.keys(wanted).filter((name) => (current[name] ?? null) !== wanted[name]);
  if (columns.length === 0) return null;
  return { op: 'update', before: pick(current, columns), after: pick(wanted, columns) };
}

export function pick(row: Row, columns: readonly string[]): Row {
  return Object.fromEntries(columns.map((name) => [name, row[name] ?? null]));
}

function hasChanged({ result }: ConflictEntry, current: Row | null): boolean {
  if (!result || !current) return Boolean(result) !== Boolean(current);
  return Object.entries(result).some(([name, value]) => name in current && current[name] !== value);
}
