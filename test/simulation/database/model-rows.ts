/** The rows of a model database as the engine's apply sees them: its `RowStore`, in the transaction that a session has open. */
import {
  type Columns,
  type ForeignKey,
  type ReferenceProblem,
  type Row,
  type RowChange,
  type RowStore,
  rowAt,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { Session } from './session.ts';

export function modelRows(session: Session): RowStore {
  return {
    lock: (table, keys, mode) =>
      session.run((transaction) => transaction.lock(table.name, keys, mode ?? 'exclusive')),
    read: (table, keys) =>
      session.run((transaction) => transaction.read(table.name, keys).map(({ row }) => ({ ...row }))),
    insert: (table, columns, rows) =>
      session.run(async (transaction) => {
        let inserted = 0;
        for (const row of rows)
          if (await transaction.insert(table.name, only(row, columns), 'nothing')) inserted++;
        return inserted;
      }),
    update: (table, columns, rows) =>
      session.run(async (transaction) => {
        let updated = 0;
        for (const row of rows) {
          if (await transaction.update(table.name, only(row, table.keyColumns), only(row, columns)))
            updated++;
        }
        return updated;
      }),
    delete: (table, keys) =>
      session.run(async (transaction) => {
        let deleted = 0;
        for (const key of keys) if (await transaction.delete(table.name, key)) deleted++;
        return deleted;
      }),
    insertColumns: (table, columns) => () =>
      session.run(async (transaction) => {
        let inserted = 0;
        for (const row of rowsIn(columns)) if (await transaction.insert(table.name, row)) inserted++;
        return inserted;
      }),
    updateAsSeen:
      (table, { key, before, after }, owner) =>
      () =>
        session.run(async (transaction) => {
          const [seen, wanted] = [rowsIn(before), rowsIn(after)];
          let updated = 0;
          for (const [index, rowKey] of rowsIn(key).entries()) {
            const [row] = await transaction.lock(table.name, [rowKey], 'exclusive');
            if (!row || !stands(table, row, seen[index] as Row, owner)) continue;
            if (await transaction.update(table.name, rowKey, wanted[index] as Row)) updated++;
          }
          return updated;
        }),
    deleteAsSeen:
      (table, { key, before }, owner) =>
      () =>
        session.run(async (transaction) => {
          const seen = rowsIn(before);
          let deleted = 0;
          for (const [index, rowKey] of rowsIn(key).entries()) {
            const [row] = await transaction.lock(table.name, [rowKey], 'exclusive');
            if (!row || !stands(table, row, seen[index] as Row, owner)) continue;
            if (await transaction.delete(table.name, rowKey)) deleted++;
          }
          return deleted;
        }),
    missingParent: (changes) => missingParent(session, changes),
    remainingChild: (changes) => remainingChild(session, changes),
    async attempt(work) {
      const savepoint = await session.run((transaction) => transaction.savepoint());
      try {
        return await work();
      } catch (error) {
        await session.run((transaction) => transaction.rollbackTo(savepoint));
        throw error;
      }
    },
  };
}

function rowsIn(columns: Columns): Row[] {
  return (columns.values[0] ?? []).map((_, index) => rowAt(columns, index));
}

function stands(table: Table, row: Row, seen: Row, owner: string | null): boolean {
  const { scope } = table.rule;
  const isOwned = owner === null || scope === null || row[scope] === owner;
  return isOwned && Object.entries(seen).every(([name, value]) => row[name] === value);
}

async function missingParent(
  session: Session,
  changes: readonly RowChange[],
): Promise<ReferenceProblem | null> {
  for (const [foreignKey, parents] of wantedParents(changes)) {
    const wanted = [...parents.values()];
    const found = await session.run((transaction) => transaction.lock(foreignKey.parent, wanted, 'keyShare'));
    const there = new Set(found.map((row) => JSON.stringify(only(row, foreignKey.parentColumns))));
    const missing = wanted.find((parent) => !there.has(JSON.stringify(parent)));
    if (missing) return { kind: 'parent_missing', foreignKey, parent: missing };
  }
  return null;
}

async function remainingChild(
  session: Session,
  changes: readonly RowChange[],
): Promise<ReferenceProblem | null> {
  for (const [foreignKey, parents] of abandonedParents(changes)) {
    const abandoned = [...parents.values()];
    const remaining = await session.run((transaction) => {
      const children = transaction.all(foreignKey.child).map(({ row }) => row);
      return abandoned.find((parent) => {
        const isBack = transaction.read(foreignKey.parent, [parent]).length > 0;
        return !isBack && children.some((child) => refersTo(foreignKey, child, parent));
      });
    });
    if (remaining) return { kind: 'delete_referenced', foreignKey, parent: remaining };
  }
  return null;
}

function refersTo({ childColumns, parentColumns }: ForeignKey, child: Row, parent: Row): boolean {
  return childColumns.every((column, i) => child[column] === parent[parentColumns[i] as string]);
}

type ParentSets = Map<ForeignKey, Map<string, Row>>;

function wantedParents(changes: readonly RowChange[]): ParentSets {
  const wanted: ParentSets = new Map();
  for (const { table, before, after } of changes) {
    for (const foreignKey of table.references) {
      const { childColumns, parentColumns } = foreignKey;
      if (!after || childColumns.some((column) => after[column] == null)) continue;
      if (before && childColumns.every((column) => before[column] === after[column])) continue;
      const parent: Row = {};
      childColumns.forEach((column, i) => {
        parent[parentColumns[i] as string] = after[column] as string;
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
      const { parentColumns } = foreignKey;
      if (!before || parentColumns.some((column) => before[column] == null)) continue;
      if (after && parentColumns.every((column) => before[column] === after[column])) continue;
      remember(abandoned, foreignKey, only(before, parentColumns));
    }
  }
  return abandoned;
}

function remember(sets: ParentSets, foreignKey: ForeignKey, parent: Row): void {
  const set = sets.get(foreignKey) ?? new Map<string, Row>();
  sets.set(foreignKey, set.set(JSON.stringify(parent), parent));
}

function only(row: Row, columns: Table['keyColumns']): Row {
  return Object.fromEntries(
    columns.filter((column) => column in row).map((column) => [column, row[column] ?? null]),
  );
}
