/** Which campuses a captured change concerns, and what it is to each of them. */
import type { CapturedChange, Change, Row, Table } from '@skooly-edge/sync-protocol';

/** Whose a row is: a campus; null for everybody's; undefined when nobody can tell any more. */
export type OwnerOf = (table: Table, row: Row) => string | null | undefined;

/** By the table's own scope column. */
export const ownScope: OwnerOf = ({ rule: { scope } }, row) =>
  scope === null ? null : (row[scope] ?? undefined);

/**
 * @param everyone The campuses that there are, for a table that belongs to all.
 * @returns the change as each campus has to see it. A row that moves from one campus to another is deleted at the one
 *   and inserted at the other. One that belongs to a campus through another row is deleted everywhere: it may have moved with
 *   that row, and be gone before anybody looked what moved. For others than its owner there is no more in it than its key.
 */
export function changesByCampus(
  change: CapturedChange,
  table: Table,
  everyone: Iterable<string>,
  ownerOf: OwnerOf = ownScope,
): { campus: string; change: Change }[] {
  const plain = plainChange(change);
  if (table.rule.scope === null && !table.through)
    return [...everyone].map((campus) => ({ campus, change: plain }));
  const from = change.wholeBefore ? ownerOf(table, change.wholeBefore) : undefined;
  const to = change.op === 'delete' ? undefined : ownerOf(table, change.whole);
  if (change.op === 'delete' && table.through) {
    const keyOnly: Change = { ...plain, before: {} };
    return [...everyone].map((campus) => ({ campus, change: campus === from ? plain : keyOnly }));
  }
  if (change.op !== 'update' || from === to) {
    const campus = to ?? from;
    return campus == null ? [] : [{ campus, change: plain }];
  }
  const moved: { campus: string; change: Change }[] = [];
  const { table: name, key } = change;
  if (from != null)
    moved.push({
      campus: from,
      change: { table: name, key, op: 'delete', before: change.wholeBefore, after: null, moved: true },
    });
  if (to != null)
    moved.push({
      campus: to,
      change: { ...plain, op: 'insert', before: null, after: change.whole, moved: true },
    });
  return moved;
}

function plainChange({ table, key, op, before, after, by }: CapturedChange): Change {
  return by === undefined ? { table, key, op, before, after } : { table, key, op, before, after, by };
}
