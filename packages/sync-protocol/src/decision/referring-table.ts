/**
 * Which synced table still refers to a row that is to be deleted. A cascade would delete rows that nobody has decided about,
 * and that no undo brings back.
 */
import type { ClientBase } from 'pg';
import type { Catalog, Table } from '../postgres/apply/catalog.ts';
import { rowSource } from '../postgres/apply/rowset.ts';
import { quoteName, quoteTable } from '../postgres/session.ts';
import type { Row } from '../transaction/transaction.ts';

/** Tables that are not synced are left to Postgres: the engine may not read them. */
export async function referringTable(
  client: ClientBase,
  catalog: Catalog,
  table: Table,
  key: Row,
): Promise<string | null> {
  const source = rowSource(table, table.keyColumns, [key]);
  const same = table.keyColumns.map((name) => `p.${quoteName(name)} = s.${quoteName(name)}`);
  for (const { child, childColumns, parentColumns } of table.referencedBy) {
    if (!catalog.tables.has(child)) continue;
    const refers = childColumns.map(
      (name, i) => `c.${quoteName(name)} = p.${quoteName(parentColumns[i] as string)}`,
    );
    const { rowCount } = await client.query({
      text: `SELECT FROM ${source.sql} JOIN ${quoteTable(table.name)} p ON ${same.join(' AND ')}
             JOIN ${quoteTable(child)} c ON ${refers.join(' AND ')} LIMIT 1`,
      values: source.values,
    });
    if (rowCount) return child;
  }
  return null;
}
