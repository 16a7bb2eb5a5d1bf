/**
 * The rows that a group of transactions touches, held in memory while they are merged: loaded once under lock,
 * changed in memory, written back as the difference between what was loaded and what it has become.
 *
 * Triggers do not fire on what is written (the session replays as a replica), so foreign keys are checked here,
 * once the rows stand.
 */
import { keyOf, type Row, rowId } from '../../transaction/transaction.ts';
import type { Catalog, Table } from './catalog.ts';
import type { ReferenceProblem } from './references.ts';
import type { RowStore } from './row-store.ts';

/** SQLSTATE. */
const uniqueViolation = '23505';

interface Image {
  table: Table;
  key: Row;
  /** As loaded from the database. */
  stored: Row | null;
  /** As it shall be. Never changed in place. */
  current: Row | null;
}

/** Somebody else inserted one of the rows between our look and our write: roll back and begin again. */
export class RowsMovedError extends Error {
  constructor(table: string) {
    super(`rows of ${table} were inserted by another session at the same time`);
    this.name = 'RowsMovedError';
  }
}

/** What is written would leave a reference pointing nowhere. */
export class BrokenReferenceError extends Error {
  readonly problem: ReferenceProblem;

  constructor(problem: ReferenceProblem) {
    super(
      problem.kind === 'parent_missing'
        ? `${problem.foreignKey.child} refers to a row of ${problem.foreignKey.parent} that does not exist`
        : `${problem.foreignKey.child} still refers to a deleted row of ${problem.foreignKey.parent}`,
    );
    this.name = 'BrokenReferenceError';
    this.problem = problem;
  }
}

export class RowImages {
  readonly #store: RowStore;
  readonly #catalog: Catalog;
  readonly #images = new Map<string, Image>();

  constructor(store: RowStore, catalog: Catalog) {
    this.#store = store;
    this.#catalog = catalog;
  }

  /** Loads and locks rows that are not loaded yet. Tables in one order everywhere, so that groups do not deadlock. */
  async load(refs: Iterable<{ table: string; key: Row }>): Promise<void> {
    const wanted = new Map<string, Map<string, Row>>();
    for (const { table, key } of refs) {
      const id = rowId(table, key);
      if (this.#images.has(id)) continue;
      const rows = wanted.get(table) ?? new Map<string, Row>();
      wanted.set(table, rows.set(id, key));
    }
    for (const name of [...wanted.keys()].sort()) {
      const table = this.table(name);
      const rows = wanted.get(name) as Map<string, Row>;
      for (const [id, key] of rows) this.#images.set(id, { table, key, stored: null, current: null });
      for (const row of await this.#store.lock(table, [...rows.values()])) {
        const image = this.#images.get(rowId(name, keyOf(row, table.keyColumns)));
        if (image) image.stored = image.current = row;
      }
    }
  }

  table(name: string): Table {
    const table = this.#catalog.tables.get(name);
    if (!table) throw new Error(`${name} is not a synced table`);
    return table;
  }

  get(table: string, key: Row): Row | null {
    return this.#image(table, key).current;
  }

  /** The row as it shall be, or was before it went; undefined for one that was not loaded. */
  peek(table: string, key: Row): Row | null | undefined {
    const image = this.#images.get(rowId(table, key));
    return image && (image.current ?? image.stored);
  }

  /** Rows that were not there and will not be: no lock keeps another session from inserting them meanwhile. */
  absent(): { table: string; key: Row }[] {
    return [...this.#images.values()]
      .filter(({ stored, current }) => stored === null && current === null)
      .map(({ table, key }) => ({ table: table.name, key }));
  }

  set(table: string, key: Row, row: Row | null): void {
    this.#image(table, key).current = row;
  }

  /**
   * Writes the difference.
   *
   * @param references Whether foreign keys are checked now, or later by the caller.
   * @throws RowsMovedError, BrokenReferenceError, or Postgres's own error for a unique key, a check or a bad value.
   */
  async flush(references: 'now' | 'later' = 'now'): Promise<void> {
    const changed = [...this.#images.values()].filter((image) => image.current !== image.stored);
    const groups = groupByTable(changed);
    for (const [table, images] of groups) await this.#delete(table, images);
    for (const [table, images] of groups) await this.#updateOrReplace(table, images);
    for (const [table, images] of groups) await this.#insert(table, images);
    if (references === 'now') await this.#checkReferences(changed);
    for (const image of changed) image.stored = image.current;
  }

  async #delete(table: Table, images: Image[]): Promise<void> {
    const gone = images.filter((image) => image.stored && !image.current);
    if (gone.length > 0)
      await this.#store.delete(
        table,
        gone.map((image) => image.key),
      );
  }

  /**
   * Rows that hand a unique value on to one another cannot be updated one after the other: they are taken out and put back
   * whole. No trigger sees it, since the session replays as a replica.
   */
  async #updateOrReplace(table: Table, images: Image[]): Promise<void> {
    const kept = images.filter((image) => image.stored && image.current);
    if (kept.length < 2) return this.#update(table, kept);
    try {
      await this.#store.attempt(() => this.#update(table, kept));
    } catch (error) {
      if ((error as { code?: string }).code !== uniqueViolation) throw error;
      await this.#store.delete(
        table,
        kept.map((image) => image.key),
      );
      await this.#insertRows(
        table,
        kept.map((image) => image.current as Row),
      );
    }
  }

  async #update(table: Table, images: Image[]): Promise<void> {
    const byColumns = new Map<string, { columns: string[]; rows: Row[] }>();
    for (const { stored, current } of images) {
      if (!stored || !current) continue;
      const columns = table.columnNames.filter((name) => stored[name] !== current[name]);
      if (columns.length === 0) continue;
      const signature = columns.join('\0');
      const group = byColumns.get(signature) ?? { columns, rows: [] };
      group.rows.push(current);
      byColumns.set(signature, group);
    }
    for (const { columns, rows } of byColumns.values()) await this.#store.update(table, columns, rows);
  }

  async #insert(table: Table, images: Image[]): Promise<void> {
    await this.#insertRows(
      table,
      images.filter((image) => !image.stored && image.current).map((image) => image.current as Row),
    );
  }

  async #insertRows(table: Table, rows: Row[]): Promise<void> {
    const byColumns = new Map<string, { columns: string[]; rows: Row[] }>();
    for (const current of rows) {
      const columns = table.columnNames.filter((name) => name in current);
      const signature = columns.join('\0');
      const group = byColumns.get(signature) ?? { columns, rows: [] };
      group.rows.push(current);
      byColumns.set(signature, group);
    }
    for (const { columns, rows } of byColumns.values()) {
      const inserted = await this.#store.insert(table, columns, rows);
      if (inserted !== rows.length) throw new RowsMovedError(table.name);
    }
  }

  async #checkReferences(changed: Image[]): Promise<void> {
    const rows = changed.map(({ table, stored, current }) => ({ table, before: stored, after: current }));
    const problem = (await this.#store.missingParent(rows)) ?? (await this.#store.remainingChild(rows));
    if (problem) throw new BrokenReferenceError(problem);
  }

  #image(table: string, key: Row): Image {
    const image = this.#images.get(rowId(table, key));
    if (!image) throw new Error(`a row of ${table} was not loaded`);
    return image;
  }
}

function groupByTable(images: Image[]): Map<Table, Image[]> {
  const groups = new Map<Table, Image[]>();
  for (const image of images) {
    const group = groups.get(image.table);
    if (group) group.push(image);
    else groups.set(image.table, [image]);
  }
  return groups;
}
