/**
 * What applying needs of a database, inside one of its transactions: sets of rows, read under lock and written, foreign
 * keys asked for, and a part of the work that can be undone. Postgres is one such store; the simulation has another.
 */
import type { ClientBase } from 'pg';
import type { Columns } from '../../block/block.ts';
import { deleteAsSeen, insertColumns, updateAsSeen } from '../../straight/as-seen.ts';
import type { Row } from '../../transaction/transaction.ts';
import type { Catalog, Table } from './catalog.ts';
import {
  findMissingParents,
  findRemainingChildren,
  type ReferenceProblem,
  type RowChange,
} from './references.ts';
import { deleteRows, insertRows, lockRows, readRows, updateRows } from './rowset.ts';

/** What is ready to be run, once: the next one can be made ready while this one runs. @returns how many rows it wrote */
export type Statement = () => Promise<number>;

export interface SeenDeletes {
  key: Columns;
  before: Columns;
}

export interface SeenUpdates extends SeenDeletes {
  after: Columns;
}

export interface RowStore {
  /**
   * The rows with these keys that there are, locked against other writers until the transaction ends; with `share` others may
   * do the same.
   */
  lock(table: Table, keys: readonly Row[], mode?: 'share'): Promise<Row[]>;
  /** The rows with these keys that there are, as they stand in this transaction. */
  read(table: Table, keys: readonly Row[]): Promise<Row[]>;
  /**
   * @param columns The columns that every one of `rows` has; the others get their defaults.
   * @returns how many were inserted: a row whose key is taken is left out.
   * @throws an error whose `code` is Postgres's SQLSTATE, for a unique key, a check or a bad value.
   */
  insert(table: Table, columns: readonly string[], rows: readonly Row[]): Promise<number>;
  /** Sets `columns` of the rows with the keys of `rows`. Throws as `insert` does. */
  update(table: Table, columns: readonly string[], rows: readonly Row[]): Promise<number>;
  delete(table: Table, keys: readonly Row[]): Promise<number>;
  /** Inserts rows that are held column by column. Throws as `insert` does, and for a key that is taken. */
  insertColumns(table: Table, columns: Columns): Statement;
  /**
   * Changes the rows that hold what `before` names and belong to `owner` (null: any), whatever else they hold. Only for columns
   * that `isComparable`. Throws as `insert` does.
   */
  updateAsSeen(table: Table, set: SeenUpdates, owner: string | null): Statement;
  /** Deletes the rows that hold what `before` names and belong to `owner` (null: any). */
  deleteAsSeen(table: Table, set: SeenDeletes, owner: string | null): Statement;
  /** Finds a reference of the new rows whose parent does not exist; locks those that do. Call after writing. */
  missingParent(changes: readonly RowChange[]): Promise<ReferenceProblem | null>;
  /** Finds a row that still refers to one that is gone. Call after writing. */
  remainingChild(changes: readonly RowChange[]): Promise<ReferenceProblem | null>;
  /** Does the work; if it throws, what it wrote is undone, and the error is handed on. May be nested. */
  attempt<T>(work: () => Promise<T>): Promise<T>;
}

/** The rows of a Postgres database in the transaction that `client` has open. */
export function postgresRows(client: ClientBase, catalog: Catalog): RowStore {
  let depth = 0;
  return {
    lock: (table, keys, mode) => lockRows(client, table, keys, mode),
    read: (table, keys) => readRows(client, table, keys),
    insert: (table, columns, rows) => insertRows(client, table, columns, rows),
    update: (table, columns, rows) => updateRows(client, table, columns, rows),
    delete: (table, keys) => deleteRows(client, table, keys),
    insertColumns: (table, columns) => insertColumns(client, table, columns),
    updateAsSeen: (table, set, owner) => updateAsSeen(client, table, set, owner),
    deleteAsSeen: (table, set, owner) => deleteAsSeen(client, table, set, owner),
    missingParent: (changes) => findMissingParents(client, catalog, changes),
    remainingChild: (changes) => findRemainingChildren(client, catalog, changes),
    async attempt(work) {
      const savepoint = `attempt_${++depth}`;
      await client.query(`SAVEPOINT ${savepoint}`);
      try {
        const result = await work();
        await client.query(`RELEASE SAVEPOINT ${savepoint}`);
        return result;
      } catch (error) {
        await client.query(`ROLLBACK TO SAVEPOINT ${savepoint}; RELEASE SAVEPOINT ${savepoint}`);
        throw error;
      } finally {
        depth--;
      }
    },
  };
}
