/**
 * Foreign keys, checked over sets of rows. Postgres's own check is a trigger, which does not fire on replayed rows;
 * a cascade that fired would also delete rows that the other site never saw.
 */
import type { ClientBase } from 'pg';
import type { Row } from '../../transaction/transaction.ts';
import { quoteName, quoteTable } from '../session.ts';
import type { Catalog, ForeignKey, Table } from './catalog.ts';

export interface RowChange {
  table: Table;
  before: Row | null;
  after: Row | null;
}

export interface ReferenceProblem {
  kind: 'parent_missing' | 'delete_referenced';
  foreignKey: ForeignKey;
  /** The value of the foreign key's parent columns. */
  parent: Row;
}

/**
 * Finds a reference of the new rows whose parent does not exist. Parents that exist are locked against deletion until
 * the transaction ends, as Postgres's own check does (FOR KEY SHARE). Call after writing.
 */
export async function findMissingParents(
  client: ClientBase,
  catalog: Catalog,
  changes: readonly RowChange[],
): Promise<ReferenceProblem | null> {
  for (const [foreignKey, parents] of wantedParents(changes)) {
    const wanted = [...parents.values()];
    const found = await lockParents(client, catalog, foreignKey, wanted);
    const missing = wanted.find((parent) => !found.has(signature(foreignKey.parentColumns, parent)));
    if (missing) return { kind: 'parent_missing', foreignKey, parent: missing };
  }
  return null;
}

/** Finds a row that still refers to a row that was deleted or whose referenced columns changed. Call after writing. */
export async function findRemainingChildren(
  client: ClientBase,
  catalog: Catalog,
  changes: readonly RowChange[],
): Promise<ReferenceProblem | null> {
  for (const [foreignKey, parents] of abandonedParents(changes)) {
    const source = parentSource(catalog, foreignKey, [...parents.values()]);
    const join = foreignKey.childColumns.map((column, i) => `c.${quoteName(column)} = s.c${i}`).join(' AND ');
    const stillThere = foreignKey.parentColumns
      .map((column, i) => `p.${quoteName(column)} = s.c${i}`)
      .join(' AND ');
    const { rows } = await client.query<string[]>({
      text: `SELECT ${foreignKey.parentColumns.map((_, i) => `s.c${i}`).join(', ')}
             FROM ${source.sql} WHERE EXISTS (SELECT FROM ${quoteTable(foreignKey.child)} c WHERE ${join})
             AND NOT EXISTS (SELECT FROM ${quoteTable(foreignKey.parent)} p WHERE ${stillThere}) LIMIT 1`,
      values: source.values,
      rowMode: 'array',
    });
    const found = rows[0];
    if (!found) continue;
    const parent: Row = {};
    foreignKey.parentColumns.forEach((column, i) => {
      parent[column] = found[i] ?? null;
    });
    return { kind: 'delete_referenced', foreignKey, parent };
  }
  return null;
}

type ParentSets = Map<ForeignKey, Map<string, Row>>;

function wantedParents(changes: readonly RowChange[]): ParentSets {
  const wanted: ParentSets = new Map();
  for (const { table, before, after } of changes) {
    for (const foreignKey of table.references) {
      if (!after || foreignKey.childColumns.some((column) => after[column] == null)) continue;
      if (before && foreignKey.childColumns.every((column) => before[column] === after[column])) continue;
      const parent: Row = {};
      foreignKey.childColumns.forEach((column, i) => {
        parent[foreignKey.parentColumns[i] as string] = after[column] as string;
      });
      remember(wanted, foreignKey, parent);
    }
  }
  return wanted;
}

function abandonedParents(changes: readonly RowChange[]): ParentSets {
  const abandoned: ParentSets = new Map();
  for (const { table, before, after } of changes) {
    for (const foreignKey of table.referencedBy) {
      if (!before || foreignKey.parentColumns.some((column) => before[column] == null)) continue;
      if (after && foreignKey.parentColumns.every((column) => before[column] === after[column])) continue;
      remember(abandoned, foreignKey, before);
    }
  }
  return abandoned;
}

function remember(sets: ParentSets, foreignKey: ForeignKey, parent: Row): void {
  const set = sets.get(foreignKey) ?? new Map<string, Row>();
  sets.set(foreignKey, set.set(signature(foreignKey.parentColumns, parent), parent));
}

async function lockParents(
  client: ClientBase,
  catalog: Catalog,
  foreignKey: ForeignKey,
  parents: readonly Row[],
): Promise<Set<string>> {
  const source = parentSource(catalog, foreignKey, parents);
  const match = foreignKey.parentColumns.map((column, i) => `p.${quoteName(column)} = s.c${i}`).join(' AND ');
  const { rows } = await client.query<(string | null)[]>({
    text: `SELECT ${foreignKey.parentColumns.map((column) => `p.${quoteName(column)}`).join(', ')}
           FROM ${quoteTable(foreignKey.parent)} p JOIN ${source.sql} ON ${match} FOR KEY SHARE OF p`,
    values: source.values,
    rowMode: 'array',
  });
  return new Set(rows.map((values) => JSON.stringify(values)));
}

/** A derived table `s(c0, c1, …)` of parent column values, typed like the synced side of the foreign key. */
function parentSource(
  catalog: Catalog,
  foreignKey: ForeignKey,
  parents: readonly Row[],
): { sql: string; values: unknown[] } {
  const parentTable = catalog.tables.get(foreignKey.parent);
  const childTable = catalog.tables.get(foreignKey.child);
  const types = foreignKey.parentColumns.map(
    (column, i) =>
      parentTable?.columns.get(column)?.type ??
      childTable?.columns.get(foreignKey.childColumns[i] as string)?.type ??
      'text',
  );
  const raw = types.map((_, i) => `c${i}`).join(', ');
  return {
    sql: `(SELECT ${types.map((type, i) => `r.c${i}::${type} AS c${i}`).join(', ')}
           FROM unnest(${types.map((_, i) => `$${i + 1}::text[]`).join(', ')}) AS r(${raw})) AS s`,
    values: foreignKey.parentColumns.map((column) => parents.map((parent) => parent[column] ?? null)),
  };
}

function signature(columns: readonly string[], row: Row): string {
  return JSON.stringify(columns.map((column) => row[column] ?? null));
}
