/**
 * Whose the rows are that belong to a campus through another row. The rows on the way are taken from the commit itself where it
 * has them, and otherwise read from the database as it is now, which may be later than the commit: a parent that is gone
 * by then takes its children with it, and their deletes are read too.
 *
 * When such a parent moves from one campus to another, its children move with it, although no change of theirs is in the WAL:
 * `moves` tells them.
 */
import {
  appliedMessage,
  type CapturedTransaction,
  type Catalog,
  type CorrectedMessage,
  type Correction,
  correctedMessage,
  keyOf,
  type Row,
  rowId,
  type Table,
} from '@skooly-edge/sync-protocol';
import { ownScope } from './scope.ts';

/** Reads nothing before every commit that has been captured can be seen: a commit is in the WAL a moment earlier. */
export interface RowReader {
  /** The rows with these keys that there are. */
  byKey(table: Table, keys: readonly Row[]): Promise<Row[]>;
  /** The rows whose `column` has this value. */
  byColumn(table: Table, column: string, value: string): Promise<Row[]>;
}

export interface Owners {
  of(table: Table, row: Row): string | null | undefined;
  /** Corrections for the campuses whose rows came or went with a parent, or are there although the commit did not see them. */
  moves: { campus: string; correction: Correction }[];
}

export const noOwners: Owners = { of: ownScope, moves: [] };

/** @returns what the transaction's rows need; where nothing belongs through another and nothing is missing, nothing is read. */
export async function learnOwners(
  transaction: CapturedTransaction,
  catalog: Catalog,
  reader: RowReader,
): Promise<Owners> {
  const tables = [...catalog.tables.values()];
  const parents = new Map<string, Row>();
  const of = (table: Table, row: Row) => ownerAbove(table, row, parents);
  const returned = await returnedRows(transaction, catalog, parents, of, reader);
  if (!tables.some((table) => table.through)) return { of, moves: returned };
  for (const change of transaction.changes) parents.set(rowId(change.table, change.key), change.whole);
  for (const change of transaction.changes) {
    const table = catalog.tables.get(change.table);
    for (const row of [change.whole, change.wholeBefore])
      if (table && row) await readAbove(table, row, parents, reader);
  }
  return { of, moves: [...(await movesOf(transaction, catalog, tables, of, reader)), ...returned] };
}

/**
 * Rows that a correction says are not there, and that are: somebody inserted them in a commit that came before this one, after
 * this one had looked. A row that is not there cannot be locked.
 */
async function returnedRows(
  { messages }: CapturedTransaction,
  catalog: Catalog,
  parents: Map<string, Row>,
  of: Owners['of'],
  reader: RowReader,
): Promise<Owners['moves']> {
  const returned: Owners['moves'] = [];
  for (const { prefix, content } of messages) {
    if (prefix !== appliedMessage && prefix !== correctedMessage) continue;
    const { campus, corrections } = JSON.parse(content) as CorrectedMessage;
    const missing = Map.groupBy(
      corrections.filter(({ row }) => row === null),
      ({ table }) => table,
    );
    for (const [name, group] of missing) {
      const table = catalog.tables.get(name);
      if (!table) continue;
      for (const row of await reader.byKey(
        table,
        group.map(({ key }) => key),
      )) {
        await readAbove(table, row, parents, reader);
        const owner = of(table, row);
        const correction = { table: name, key: keyOf(row, table.keyColumns), row };
        if (owner === null || owner === campus) returned.push({ campus, correction });
      }
    }
  }
  return returned;
}

async function readAbove(
  table: Table,
  row: Row,
  parents: Map<string, Row>,
  reader: RowReader,
): Promise<void> {
  const above = parentOf(table, row);
  if (!above) return;
  const id = rowId(above.table.name, above.key);
  const known = parents.get(id) ?? (await reader.byKey(above.table, [above.key]))[0];
  if (!known) return;
  parents.set(id, known);
  await readAbove(above.table, known, parents, reader);
}

function ownerAbove(table: Table, row: Row, parents: ReadonlyMap<string, Row>): string | null | undefined {
  if (!table.through) return ownScope(table, row);
  const above = parentOf(table, row);
  const parent = above && parents.get(rowId(above.table.name, above.key));
  return above && parent ? ownerAbove(above.table, parent, parents) : undefined;
}

function parentOf({ through }: Table, row: Row): { table: Table; key: Row } | null {
  const value = through && row[through.column];
  return through && value != null ? { table: through.parent, key: { [through.parentColumn]: value } } : null;
}

async function movesOf(
  { changes }: CapturedTransaction,
  catalog: Catalog,
  tables: readonly Table[],
  of: Owners['of'],
  reader: RowReader,
): Promise<Owners['moves']> {
  const moves: Owners['moves'] = [];
  for (const change of changes) {
    const table = catalog.tables.get(change.table);
    if (!table || change.op !== 'update' || !change.wholeBefore) continue;
    const [from, to] = [of(table, change.wholeBefore), of(table, change.whole)];
    if (from === to) continue;
    for (const { child, row } of await descendants(table, change.whole, tables, reader)) {
      const at = { table: child.name, key: keyOf(row, child.keyColumns) };
      if (from != null) moves.push({ campus: from, correction: { ...at, row: null } });
      if (to != null) moves.push({ campus: to, correction: { ...at, row } });
    }
  }
  return moves;
}

async function descendants(
  table: Table,
  row: Row,
  tables: readonly Table[],
  reader: RowReader,
): Promise<{ child: Table; row: Row }[]> {
  const found: { child: Table; row: Row }[] = [];
  for (const child of tables) {
    if (child.through?.parent !== table) continue;
    const value = row[child.through.parentColumn];
    if (value == null) continue;
    for (const childRow of await reader.byColumn(child, child.through.column, value))
      found.push({ child, row: childRow }, ...(await descendants(child, childRow, tables, reader)));
  }
  return found;
}
