/**
 * Statements over many rows at once: rows travel as one array parameter per column, so that a batch costs one
 * statement per table and operation, whatever its size.
 */
import type { ClientBase } from 'pg';
import type { Row, Value } from '../../transaction/transaction.ts';
import { quoteName, quoteTable } from '../session.ts';
import type { Column, Table } from './catalog.ts';

/** Reads the rows with these keys, locked against writers until the transaction ends. */
export async function lockRows(
  client: ClientBase,
  table: Table,
  keys: readonly Row[],
  mode: 'update' | 'share' = 'update',
): Promise<Row[]> {
  return readRows(client, table, keys, mode === 'share' ? 'FOR SHARE OF t' : 'FOR UPDATE OF t');
}

/** Reads the rows with these keys as they stand. */
export async function readRows(
  client: ClientBase,
  table: Table,
  keys: readonly Row[],
  locking = '',
): Promise<Row[]> {
  const columns = table.columnNames.map((name) => `t.${quoteName(name)}`).join(', ');
  const source = rowSource(table, table.keyColumns, keys);
  const result = await client.query<Value[]>({
    text: `SELECT ${columns} FROM ${quoteTable(table.name)} t JOIN ${source.sql} ON ${keyMatch(table)} ${locking}`,
    values: source.values,
    rowMode: 'array',
  });
  return result.rows.map((values) => {
    const row: Row = {};
    for (let i = 0; i < table.columnNames.length; i++)
      row[table.columnNames[i] as string] = values[i] ?? null;
    return row;
  });
}

/**
 * @param columns The columns that every one of `rows` has; the others get their defaults.
 * @returns how many were inserted: fewer than given when a row with the same key stood there already.
 */
export async function insertRows(
  client: ClientBase,
  table: Table,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  const source = rowSource(table, columns, rows);
  const names = columns.map(quoteName).join(', ');
  const result = await client.query({
    text: `INSERT INTO ${quoteTable(table.name)} (${names}) OVERRIDING SYSTEM VALUE
           SELECT ${columns.map((name) => `s.${quoteName(name)}`).join(', ')} FROM ${source.sql}
           ON CONFLICT (${table.keyColumns.map(quoteName).join(', ')}) DO NOTHING`,
    values: source.values,
  });
  return result.rowCount ?? 0;
}

/** Sets `columns` of the rows with the keys of `rows`. */
export async function updateRows(
  client: ClientBase,
  table: Table,
  columns: readonly string[],
  rows: readonly Row[],
): Promise<number> {
  const source = rowSource(table, [...table.keyColumns, ...columns], rows);
  const assignments = columns.map((name) => `${quoteName(name)} = s.${quoteName(name)}`).join(', ');
  const result = await client.query({
    text: `UPDATE ${quoteTable(table.name)} t SET ${assignments} FROM ${source.sql} WHERE ${keyMatch(table)}`,
    values: source.values,
  });
  return result.rowCount ?? 0;
}

export async function deleteRows(client: ClientBase, table: Table, keys: readonly Row[]): Promise<number> {
  const source = rowSource(table, table.keyColumns, keys);
  const result = await client.query({
    text: `DELETE FROM ${quoteTable(table.name)} t USING ${source.sql} WHERE ${keyMatch(table)}`,
    values: source.values,
  });
  return result.rowCount ?? 0;
}

/** A derived table `s` that holds `rows`, with its parameters from $1 on. */
export function rowSource(
  table: Table,
  columns: readonly string[],
  rows: readonly Row[],
): { sql: string; values: unknown[] } {
  const specs = columns.map((name) => columnOf(table, name));
  const parameters = specs.map(
    (column, i) => `$${i + 1}::${column.arrayable ? `${column.type}[]` : 'text[]'}`,
  );
  const raw = specs.map((_, i) => `c${i}`);
  const typed = specs.map(
    (column, i) => `${column.arrayable ? `r.c${i}` : `r.c${i}::${column.type}`} AS ${quoteName(column.name)}`,
  );
  return {
    sql: `(SELECT ${typed.join(', ')} FROM unnest(${parameters.join(', ')}) AS r(${raw.join(', ')})) AS s`,
    values: columns.map((name) => rows.map((row) => row[name] ?? null)),
  };
}

function keyMatch(table: Table): string {
  return table.keyColumns.map((name) => `t.${quoteName(name)} = s.${quoteName(name)}`).join(' AND ');
}

function columnOf(table: Table, name: string): Column {
  const column = table.columns.get(name);
  if (!column) throw new Error(`${table.name} has no column ${name}`);
  return column;
}
