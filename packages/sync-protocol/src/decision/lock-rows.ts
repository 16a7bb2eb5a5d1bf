/** Entries of the inbox and the rows that they are about, locked until the transaction ends. */
import type { ClientBase } from 'pg';
import type { Catalog, Table } from '../postgres/apply/catalog.ts';
import type { RowStore } from '../postgres/apply/row-store.ts';
import { keyOf, type Row, rowId } from '../transaction/transaction.ts';
import { type ConflictEntry, entryOf } from './entry.ts';

/** @param ids Those that are no UUID are in no inbox. */
export async function lockEntries(
  client: ClientBase,
  ids: readonly string[],
): Promise<Map<string, ConflictEntry>> {
  const uuids = ids.filter((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id));
  const { rows } = await client.query<Row>(
    'SELECT * FROM sync.conflict WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE',
    [uuids],
  );
  return new Map(rows.map((row) => [row.id as string, entryOf(row)]));
}

export interface LockedRow {
  table: Table;
  current: Row | null;
}

/** Tables in the order in which everybody else locks them. Entries about what the cloud carries out need no row. */
export async function lockDataRows(
  store: RowStore,
  catalog: Catalog,
  entries: readonly ConflictEntry[],
): Promise<Map<string, LockedRow>> {
  const rows = new Map<string, LockedRow>();
  const keys = new Map<Table, Row[]>();
  for (const { table: name, key } of entries) {
    const table = catalog.tables.get(name);
    const fits = table && Object.keys(key).length === table.keyColumns.length;
    if (!fits || table.keyColumns.some((column) => !(column in key))) continue;
    const id = rowId(name, key);
    if (rows.has(id)) continue;
    rows.set(id, { table, current: null });
    keys.set(table, [...(keys.get(table) ?? []), key]);
  }
  for (const table of [...keys.keys()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    for (const row of await store.lock(table, keys.get(table) ?? [])) {
      const locked = rows.get(rowId(table.name, keyOf(row, table.keyColumns)));
      if (locked) locked.current = row;
    }
  }
  return rows;
}
