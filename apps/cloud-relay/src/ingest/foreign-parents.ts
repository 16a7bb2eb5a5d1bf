/**
 * What a campus writes may refer only to rows that it can see. A row of another campus is not there for it: the pupil may have
 * moved while the campus was away, and a payment that still named it could not live on campus beside the pupil's absence.
 * Rows that campuses share are left to the foreign key itself.
 */
import {
  BrokenReferenceError,
  type Change,
  type ForeignKey,
  keyOf,
  type Row,
  type RowImages,
  type RowStore,
  rowId,
  type Table,
} from '@skooly-edge/sync-protocol';
import { type KnownRow, ownerOf } from './owner.ts';

/**
 * Asks once for all parents of a table. Call when the rows stand in `images`.
 *
 * @throws BrokenReferenceError parent_missing
 */
export async function refuseForeignParents(
  campus: string,
  rows: Pick<RowStore, 'read' | 'lock'>,
  images: RowImages,
  tables: ReadonlyMap<string, Table>,
  changes: readonly Change[],
): Promise<void> {
  const known: KnownRow = ({ name }, key) => images.peek(name, key);
  for (const [foreignKey, wanted] of scopedParents(images, tables, changes)) {
    const parent = tables.get(foreignKey.parent) as Table;
    for (const row of await standing(rows, known, parent, [...wanted.values()])) {
      const owner = await ownerOf(rows, parent, row, known);
      if (owner != null && owner !== campus)
        throw new BrokenReferenceError({
          kind: 'parent_missing',
          foreignKey,
          parent: keyOf(row, parent.keyColumns),
        });
    }
  }
}

/** Of each foreign key to the primary key of a table that is not everybody's, the parents that are referred to. */
function scopedParents(
  images: RowImages,
  tables: ReadonlyMap<string, Table>,
  changes: readonly Change[],
): Map<ForeignKey, Map<string, Row>> {
  const parents = new Map<ForeignKey, Map<string, Row>>();
  for (const { table, key, after } of changes) {
    const row = images.get(table, key);
    if (!row || !after) continue;
    for (const foreignKey of tables.get(table)?.references ?? []) {
      if (!foreignKey.childColumns.some((column) => column in after)) continue;
      const parentKey = parentKeyOf(foreignKey, tables.get(foreignKey.parent), row);
      if (!parentKey) continue;
      const wanted = parents.get(foreignKey) ?? new Map<string, Row>();
      parents.set(foreignKey, wanted.set(rowId(foreignKey.parent, parentKey), parentKey));
    }
  }
  return parents;
}

function parentKeyOf(
  { childColumns, parentColumns }: ForeignKey,
  parent: Table | undefined,
  row: Row,
): Row | null {
  if (!parent || (parent.rule.scope === null && !parent.through)) return null;
  const key: Row = {};
  for (const column of parent.keyColumns) {
    const value = row[childColumns[parentColumns.indexOf(column)] ?? ''];
    if (value == null) return null;
    key[column] = value;
  }
  return key;
}

/** The rows as they shall stand, kept where they are; one that is not there is the foreign key's to refuse. */
async function standing(
  rows: Pick<RowStore, 'read' | 'lock'>,
  known: KnownRow,
  table: Table,
  keys: readonly Row[],
): Promise<Row[]> {
  const here = keys.map((key) => known(table, key));
  const unknown = keys.filter((_, index) => here[index] === undefined);
  const read = unknown.length > 0 ? await rows.lock(table, unknown, 'share') : [];
  return [...here.filter((row) => row != null), ...read];
}
