/** What may be asked of the cloud about a parked transaction. */
import type { Table } from '../postgres/apply/catalog.ts';
import type { Change } from '../transaction/transaction.ts';
import { rowId } from '../transaction/transaction.ts';
import type { EditedChange, ParkedDecision } from './decision.ts';
import type { ConflictEntry } from './entry.ts';
import { DecisionError } from './errors.ts';

/**
 * @param table That of the entry. Changes of other tables are checked by the cloud, when it tries the transaction.
 * @throws DecisionError
 */
export function checkParkedDecision(
  entry: ConflictEntry,
  decision: ParkedDecision,
  table: Table | undefined,
): void {
  if (decision.action !== 'edit') return;
  if (!entry.parked) throw new DecisionError('PARKED_TOO_LARGE');
  if (!decision.changes.some(({ values }) => Object.keys(values).length > 0))
    throw new DecisionError('VALUES_MISSING');
  for (const edit of decision.changes) checkEdit(entry, entry.parked, edit, table);
}

function checkEdit(
  entry: ConflictEntry,
  parked: Change[],
  edit: EditedChange,
  table: Table | undefined,
): void {
  const change = parked[edit.index];
  if (!change?.after) {
    const writing = parked.flatMap(({ after }, index) => (after ? [String(index)] : []));
    const known = { index: String(edit.index), allowed: writing.join(', ') };
    throw new DecisionError('CHANGE_UNKNOWN', known);
  }
  if (!table || change.table !== entry.table) return;
  const readOnly = change.op === 'update' ? table.rule.readOnlyColumns : [];
  const usable = table.columnNames.filter(
    (name) => !table.keyColumns.includes(name) && !readOnly.includes(name),
  );
  const column = Object.keys(edit.values).find((name) => !usable.includes(name));
  if (column !== undefined) {
    throw new DecisionError('COLUMN_UNKNOWN', { column, table: table.name, allowed: usable.join(', ') });
  }
}

/** The change that the entry speaks of, as far as it writes a row: what values without a number are for. */
export function blamedChange(entry: ConflictEntry): number {
  const blamed = rowId(entry.table, entry.key);
  const changes = entry.parked ?? [];
  const index = changes.findIndex(({ table, key, after }) => after && rowId(table, key) === blamed);
  return Math.max(0, index);
}
