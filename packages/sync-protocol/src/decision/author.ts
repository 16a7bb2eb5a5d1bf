/** Where the sync map names a column that tells who wrote a row, whoever decides has written it. */
import type { Table } from '../postgres/apply/catalog.ts';
import type { RowWrite } from './decision.ts';

/**
 * A name is only written where any text may stand, and not by a site that may not write the column. A row that comes back
 * whole keeps the author that it had.
 */
export function withAuthor(table: Table, write: RowWrite, by: string): RowWrite {
  const column = table.rule.by;
  if (column === null || write.op !== 'update' || column in (write.after ?? {})) return write;
  const type = table.columns.get(column)?.type ?? '';
  const refers = table.references.some(({ childColumns }) => childColumns.includes(column));
  const free = ['text', 'character varying'].includes(type) && !refers;
  if (!free || table.keyColumns.includes(column) || table.rule.readOnlyColumns.includes(column)) return write;
  return { ...write, after: { ...write.after, [column]: by } };
}
