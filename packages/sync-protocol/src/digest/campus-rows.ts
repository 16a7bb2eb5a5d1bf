/** Which rows of a table a campus holds: one condition for the first copy, the digests and the corrections. */
import type { Table } from '../postgres/apply/catalog.ts';
import { quoteName } from '../postgres/session.ts';

/**
 * @param campus Null: every row there is, as on a campus, which holds its own only.
 * @param values Parameters of the statement; what the condition needs is added.
 * @returns a condition on the alias `t`.
 */
export function campusRows(table: Table, campus: string | null, values: unknown[]): string {
  const { scope } = table.rule;
  if (campus === null || scope === null) return 'true';
  return `t.${quoteName(scope)} = $${values.push(campus)}`;
}
