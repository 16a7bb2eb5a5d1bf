/**
 * The rows that others refer to, as far as this commit has asked for them: there, and visible to the campus if it is one that writes,
 * and locked until the commit, so that each is asked for once however many blocks refer to it. An answer that says otherwise undoes
 * all that was written since, and with it what is known here (`forget`).
 */
import type { ChangeSet } from '../block/block.ts';
import type { ForeignKey, Table } from '../postgres/apply/catalog.ts';
import { keyOf, type Row, type Value } from '../transaction/transaction.ts';
import type { StraightContext } from './straight-way.ts';

export class KnownParents {
  readonly #context: StraightContext;
  /** By the name of the table and the columns that are referred to. */
  readonly #known = new Map<string, Set<string>>();

  constructor(context: StraightContext) {
    this.#context = context;
  }

  forget(): void {
    this.#known.clear();
  }

  /** Call in the order of the writes. */
  wrote(table: Table, { op, key }: ChangeSet): void {
    if (op === 'insert') {
      const known = this.#of(table.name, table.keyColumns);
      for (const identity of identities(key.values)) if (identity !== null) known.add(identity);
    } else if (op === 'delete') {
      for (const name of this.#known.keys()) if (name.startsWith(`${table.name}\0`)) this.#known.delete(name);
    }
  }

  /** Whether every row that the set refers to anew is there, and the campus may see it. */
  async stand(table: Table, { op, after }: ChangeSet): Promise<boolean> {
    if (op === 'delete' || !after) return true;
    const there = table.references.map(async (foreignKey) => {
      const columns = foreignKey.childColumns.map((name) => after.values[after.names.indexOf(name)]);
      if (columns.some((values) => values === undefined)) return true;
      return this.#areThere(table, foreignKey, columns as (readonly Value[])[]);
    });
    return (await Promise.all(there)).every(Boolean);
  }

  async #areThere(
    table: Table,
    foreignKey: ForeignKey,
    columns: readonly (readonly Value[])[],
  ): Promise<boolean> {
    const { parent: parentName, parentColumns, childColumns } = foreignKey;
    const known = this.#of(parentName, parentColumns);
    const wanted = new Map<string, Row>();
    for (const [index, identity] of identities(columns).entries()) {
      if (identity === null || known.has(identity) || wanted.has(identity)) continue;
      wanted.set(identity, rowOf(childColumns, columns, index));
    }
    if (wanted.size === 0) return true;
    const parent = this.#context.catalog.tables.get(parentName);
    const isGuarded = this.#context.campus !== null;
    if (isGuarded && parent?.through) return false;
    const there =
      isGuarded && parent && parent.rule.scope !== null
        ? this.#areOwn(parent, foreignKey, wanted)
        : this.#exist(table, wanted);
    for (const identity of wanted.keys()) known.add(identity);
    return there;
  }

  async #areOwn(
    parent: Table,
    { childColumns, parentColumns }: ForeignKey,
    wanted: Map<string, Row>,
  ): Promise<boolean> {
    const isKey =
      parentColumns.length === parent.keyColumns.length &&
      parent.keyColumns.every((name) => parentColumns.includes(name));
    if (!isKey) return false;
    const keys = [...wanted.values()].map((row) => {
      const key: Row = {};
      for (const [index, name] of parentColumns.entries())
        key[name] = row[childColumns[index] as string] as Value;
      return keyOf(key, parent.keyColumns);
    });
    const found = await this.#context.rows.lock(parent, keys, 'share');
    const scope = parent.rule.scope as string;
    return found.length === keys.length && found.every((row) => row[scope] === this.#context.campus);
  }

  async #exist(table: Table, wanted: Map<string, Row>): Promise<boolean> {
    const changes = [...wanted.values()].map((after) => ({ table, before: null, after }));
    return (await this.#context.rows.missingParent(changes)) === null;
  }

  #of(table: string, columns: readonly string[]): Set<string> {
    const name = `${table}\0${columns.join('\0')}`;
    const known = this.#known.get(name) ?? new Set();
    if (known.size === 0) this.#known.set(name, known);
    return known;
  }
}

/** For each row its values as one text; null where one of them is NULL: that refers to nothing. */
function identities(columns: readonly (readonly Value[])[]): (string | null)[] {
  const [first] = columns;
  if (!first) return [];
  if (columns.length === 1) return [...first];
  return first.map((_, row) => {
    const values = columns.map((column) => column[row] as Value);
    return values.includes(null) ? null : JSON.stringify(values);
  });
}

function rowOf(names: readonly string[], columns: readonly (readonly Value[])[], index: number): Row {
  const row: Row = {};
  for (const [column, name] of names.entries()) row[name] = columns[column]?.[index] as Value;
  return row;
}
