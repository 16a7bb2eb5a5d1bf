/** Which campuses a captured change concerns, and what it is to each of them. */
import type { CapturedChange, Change, TableRule } from '@skooly-edge/sync-protocol';

/**
 * @param everyone The campuses that there are, for a table that belongs to all.
 * @returns the change as each campus has to see it. A row that moves from one campus to another is deleted at the one
 *   and inserted at the other.
 */
export function changesByCampus(
  change: CapturedChange,
  rule: TableRule,
  everyone: Iterable<string>,
): { campus: string; change: Change }[] {
  const plain = plainChange(change);
  if (rule.scope === null) return [...everyone].map((campus) => ({ campus, change: plain }));
  const from = change.wholeBefore?.[rule.scope];
  const to = change.op === 'delete' ? undefined : change.whole[rule.scope];
  if (change.op !== 'update' || from === to) {
    const campus = to ?? from;
    return campus == null ? [] : [{ campus, change: plain }];
  }
  const moved: { campus: string; change: Change }[] = [];
  const { table, key } = change;
  if (from != null)
    moved.push({
      campus: from,
      change: { table, key, op: 'delete', before: change.wholeBefore, after: null },
    });
  if (to != null)
    moved.push({ campus: to, change: { ...plain, op: 'insert', before: null, after: change.whole } });
  return moved;
}

function plainChange({ table, key, op, before, after, by }: CapturedChange): Change {
  return by === undefined ? { table, key, op, before, after } : { table, key, op, before, after, by };
}
