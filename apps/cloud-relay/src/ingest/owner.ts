/**
 * Whose a row is: the campus that its scope column names, or that of the row which it belongs to through a foreign key.
 *
 * @returns null for a row of a table that is everybody's; undefined when a row on the way is not there.
 */
import type { Row, RowStore, Table } from '@skooly-edge/sync-protocol';

export type KnownRow = (table: Table, key: Row) => Row | null | undefined;

export async function ownerOf(
  rows: Pick<RowStore, 'read'>,
  table: Table,
  row: Row,
  known: KnownRow = () => undefined,
): Promise<string | null | undefined> {
  const { scope } = table.rule;
  if (scope !== null) return row[scope];
  if (!table.through) return null;
  const { column, parent, parentColumn } = table.through;
  const value = row[column];
  if (value == null) return undefined;
  const key = { [parentColumn]: value };
  const parentRow = known(parent, key) ?? (await rows.read(parent, [key]))[0];
  return parentRow ? ownerOf(rows, parent, parentRow, known) : undefined;
}

/** The row, if this campus may see it. */
export async function visibleTo(
  campus: string,
  rows: Pick<RowStore, 'read'>,
  table: Table,
  row: Row | undefined,
): Promise<Row | null> {
  if (!row) return null;
  const owner = await ownerOf(rows, table, row);
  return owner === null || owner === campus ? row : null;
}
