/**
 * A block: consecutive transactions, held column by column. Changes of one table that do the same to the same columns are a
 * set: the names stand once, and the values of a column stand together, where they compress well and where a statement over
 * many rows takes them as they are. `order` says to which set each change belongs, so that every transaction can be had again
 * exactly as it was.
 */
import type { Change, Operation, Row, Transaction, Value } from '../transaction/transaction.ts';

/** Columns of some rows: `values[c][r]` is what the column `names[c]` holds in row `r`. */
export interface Columns {
  names: readonly string[];
  values: readonly (readonly Value[])[];
}

/** Changes of one table, of one kind, with the same columns, in the order in which they were made. */
export interface ChangeSet {
  table: string;
  op: Operation;
  /** How many changes. */
  size: number;
  key: Columns;
  before: Columns | null;
  after: Columns | null;
  /** Who wrote each row; null where no change says. */
  by: readonly Value[] | null;
}

/** A transaction without its changes. */
export interface BlockTransaction extends Omit<Transaction, 'changes'> {
  /** How many changes it has. */
  changes: number;
}

export interface Block {
  heads: readonly BlockTransaction[];
  sets: readonly ChangeSet[];
  /** For each change, in the order of the transactions, the index of its set. */
  order: readonly number[];
}

/** @param transactions Consecutive ones, in order of seq. */
export function toBlock(transactions: readonly Transaction[]): Block {
  const sets: OpenSet[] = [];
  const byTable = new Map<string, OpenSet[]>();
  const order: number[] = [];
  const heads = transactions.map(({ changes, ...head }) => {
    for (const change of changes) {
      const set = setOf(change, sets, byTable);
      addTo(set, change);
      order.push(set.index);
    }
    return { ...head, changes: changes.length };
  });
  return { heads, sets, order };
}

/** The transactions as they were before they became a block. */
export function transactionsOf({ heads, sets, order }: Block): Transaction[] {
  const next = sets.map(() => 0);
  let position = 0;
  return heads.map(({ changes: count, ...head }) => {
    const changes: Change[] = [];
    for (const end = position + count; position < end; position++) {
      const index = order[position] as number;
      const row = next[index] as number;
      next[index] = row + 1;
      changes.push(changeAt(sets[index] as ChangeSet, row));
    }
    return { ...head, changes };
  });
}

export function rowAt({ names, values }: Columns, index: number): Row {
  const row: Row = {};
  for (let column = 0; column < names.length; column++)
    row[names[column] as string] = (values[column] as readonly Value[])[index] as Value;
  return row;
}

interface OpenColumns extends Columns {
  values: Value[][];
}

interface OpenSet extends ChangeSet {
  index: number;
  key: OpenColumns;
  before: OpenColumns | null;
  after: OpenColumns | null;
  by: Value[] | null;
}

function setOf(change: Change, sets: OpenSet[], byTable: Map<string, OpenSet[]>): OpenSet {
  const known = byTable.get(change.table) ?? [];
  if (known.length === 0) byTable.set(change.table, known);
  const { table, op, key, before, after, by } = change;
  const found = known.find(
    (set) =>
      set.op === op &&
      (set.by === null) === (by === undefined) &&
      fits(set.key, key) &&
      fits(set.before, before) &&
      fits(set.after, after),
  );
  if (found) return found;
  const set: OpenSet = {
    index: sets.length,
    table,
    op,
    size: 0,
    key: emptyColumns(key),
    before: before && emptyColumns(before),
    after: after && emptyColumns(after),
    by: by === undefined ? null : [],
  };
  sets.push(set);
  known.push(set);
  return set;
}

function fits(columns: Columns | null, row: Row | null): boolean {
  if (!columns || !row) return columns === row;
  const { names } = columns;
  let index = 0;
  for (const name in row) if (names[index++] !== name) return false;
  return index === names.length;
}

function emptyColumns(row: Row): OpenColumns {
  const names = Object.keys(row);
  return { names, values: names.map(() => []) };
}

function addTo(set: OpenSet, { key, before, after, by }: Change): void {
  set.size++;
  addRow(set.key, key);
  if (set.before && before) addRow(set.before, before);
  if (set.after && after) addRow(set.after, after);
  set.by?.push(by ?? null);
}

function addRow({ names, values }: OpenColumns, row: Row): void {
  for (let column = 0; column < names.length; column++)
    (values[column] as Value[]).push(row[names[column] as string] as Value);
}

function changeAt({ table, op, key, before, after, by }: ChangeSet, index: number): Change {
  const change: Change = {
    table,
    key: rowAt(key, index),
    op,
    before: before && rowAt(before, index),
    after: after && rowAt(after, index),
  };
  if (by) change.by = by[index] as Value;
  return change;
}
