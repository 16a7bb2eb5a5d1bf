/** Which rows of a table a campus holds: one condition for the first copy, the digests and the corrections. */
import type { Table } from '../postgres/apply/catalog.ts';
import { quoteName, quoteTable } from '../postgres/session.ts';

/**
 * @param campus Null: every row there is, as on a campus, which holds its own only.
 * @param values Parameters of the statement; what the condition needs is added.
 * @returns a condition on the alias `t`.
 */
export function campusRows(table: Table, campus: string | null, values: unknown[]): string {
  if (campus === null) return 'true';
  return belongsTo(table, 't', () => `$${values.push(campus)}`);
}

/** Through as many tables as lie between. */
function belongsTo(table: Table, alias: string, campus: () => string): string {
  const { scope } = table.rule;
  if (scope !== null) return `${alias}.${quoteName(scope)} = ${campus()}`;
  if (!table.through) return 'true';
  const { column, parent, parentColumn } = table.through;
  const above = `${alias}p`;
  return `EXISTS (SELECT FROM ${quoteTable(parent.name)} ${above}
                  WHERE ${above}.${quoteName(parentColumn)} = ${alias}.${quoteName(column)}
                    AND ${belongsTo(parent, above, campus)})`;
}
