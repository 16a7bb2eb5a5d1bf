/** A row that the sites do not have alike, and how it is brought together: the words of the room, and its one decision. */
import type { Catalog, Row, RowVersion, Table, TableRule } from '@skooly-edge/sync-protocol';

export type DifferenceKind = 'differs' | 'cloud_only' | 'campus_only';

/** Who decides what stands: the sync map, or one side for everything. */
export type ResyncMode = 'policy' | 'cloud-wins' | 'campus-wins';

/** A synced table and the columns of it that both sites have, in the order of their names. */
export interface SharedTable {
  table: Table;
  columns: readonly string[];
}

export interface Difference {
  key: Row;
  kind: DifferenceKind;
  /** As each site had it when it was last looked at. */
  campus: RowVersion | null;
  cloud: RowVersion | null;
}

export const repairs = ['offer', 'overwrite', 'correct', 'remove', 'repeat_delete'] as const;

/**
 * - `offer`: the campus logs its whole row as an insert; the cloud's merge settles it by the policies
 * - `overwrite`: the campus logs a change of the cloud's row into its own, which nothing contests
 * - `correct`: the cloud tells the campus what it has
 * - `remove`: the campus logs a delete of the cloud's row, which nothing contests
 * - `repeat_delete`: the campus logs once more the delete that the cloud never heard of
 */
export type Repair = (typeof repairs)[number];

export interface Facts {
  /** The campus's feed tells that the cloud deleted the row. */
  deletedInCloud: boolean;
  /** The campus's log tells that it deleted the row after the cloud last wrote it. */
  deletedHere: boolean;
  /** The cloud wrote its row after the campus wrote its own. */
  cloudIsLater: boolean;
}

export function repairFor(mode: ResyncMode, rule: TableRule, kind: DifferenceKind, facts: Facts): Repair {
  if (mode === 'cloud-wins' || rule.direction === 'down') return 'correct';
  const mayChange = !rule.appendOnly;
  switch (kind) {
    case 'differs':
      // Nobody logged how the rows came apart, so the merge's question, who changed this column last, finds no answer there.
      if (mode === 'policy' && facts.cloudIsLater && isSettledByTime(rule)) return 'correct';
      return mode === 'campus-wins' && mayChange ? 'overwrite' : 'offer';
    case 'cloud_only':
      if (!mayChange) return 'correct';
      if (mode === 'campus-wins') return 'remove';
      return facts.deletedHere ? 'repeat_delete' : 'correct';
    case 'campus_only':
      return mode === 'policy' && facts.deletedInCloud ? 'correct' : 'offer';
  }
}

function isSettledByTime({ policy, columns }: TableRule): boolean {
  return [policy, ...Object.values(columns)].every((name) => name === 'newest' || name === 'cloud');
}

/** Whether the repair takes a row away from one site: children go before their parents, which come after. */
export function takesAway(repair: Repair, kind: DifferenceKind): boolean {
  if (repair === 'correct') return kind === 'campus_only';
  return repair === 'remove' || repair === 'repeat_delete';
}

/** The tables, each after those that it refers to; within a circle in the order of the sync map. */
export function parentsFirst(catalog: Catalog): string[] {
  const order = new Set<string>();
  const visit = (name: string, above: ReadonlySet<string>) => {
    if (order.has(name) || above.has(name)) return;
    const path = new Set(above).add(name);
    for (const { parent } of catalog.tables.get(name)?.references ?? [])
      if (catalog.tables.has(parent)) visit(parent, path);
    order.add(name);
  };
  for (const name of catalog.tables.keys()) visit(name, new Set());
  return [...order];
}
