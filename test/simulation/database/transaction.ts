/**
 * One transaction of the model database, on the server's side: statements, savepoints, and what it has written and locked. After
 * an error nothing goes but a return to a savepoint, as in Postgres.
 */
import type { Message, Relation, Row } from '@skooly-edge/sync-protocol';
import type { Database } from './database.ts';
import type { LockHolder, LockMode } from './locks.ts';
import { printed } from './schema.ts';
import type { ModelTable, StoredRow } from './table.ts';

/** `code` is the SQLSTATE. */
export class DatabaseError extends Error {
  readonly code: string;
  readonly constraint: string | null;

  constructor(code: string, message: string, constraint: string | null = null) {
    super(message);
    this.name = 'DatabaseError';
    this.code = code;
    this.constraint = constraint;
  }
}

export interface TransactionOptions {
  /** Replication origin that it writes under. */
  origin: string | null;
  /** Foreign keys are not checked, as in a session that replays. */
  replica: boolean;
  givesWay: boolean;
}

type State = 'open' | 'failed' | 'ended';

export interface Savepoint {
  undo: number;
  messages: number;
  locks: number;
}

export class Transaction implements LockHolder {
  readonly overlay = new Map<string, Map<string, StoredRow | null>>();
  readonly messages: Message[] = [];
  readonly origin: string | null;
  readonly givesWay: boolean;
  /** What a replaying session dates it with, microseconds since 1970; null: the commit's own time. */
  date: number | null = null;
  readonly #database: Database;
  readonly #replica: boolean;
  readonly #undo: { table: string; id: string; before: StoredRow | null | undefined }[] = [];
  readonly #locks: { key: string; mode: LockMode }[] = [];
  #state: State = 'open';
  #commitSent = false;
  #onLost: ((error: Error) => void) | null = null;

  constructor(database: Database, { origin, replica, givesWay }: TransactionOptions) {
    this.#database = database;
    this.origin = origin;
    this.givesWay = givesWay;
    this.#replica = replica;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** The row as this transaction sees it. */
  get(table: ModelTable, id: string): StoredRow | null {
    const own = this.overlay.get(table.definition.name)?.get(id);
    return own !== undefined ? own : (table.rows.get(id) ?? null);
  }

  /** All rows that it sees, as the statement begins. */
  all(name: string): StoredRow[] {
    this.#check();
    const table = this.#database.table(name);
    const own = this.overlay.get(name);
    if (!own) return [...table.rows.values()];
    const rows = new Map<string, StoredRow | null>(table.rows);
    for (const [id, stored] of own) rows.set(id, stored);
    return [...rows.values()].filter((stored) => stored !== null);
  }

  read(name: string, keys: readonly Row[]): StoredRow[] {
    this.#check();
    const table = this.#database.table(name);
    return keys.flatMap((key) => this.get(table, table.idOf(key)) ?? []);
  }

  /** SELECT … FOR UPDATE or FOR KEY SHARE: the rows that are there as the statement begins, as they are once locked. */
  async lock(name: string, keys: readonly Row[], mode: LockMode): Promise<Row[]> {
    this.#check();
    const table = this.#database.table(name);
    const there = keys.map((key) => table.idOf(key)).filter((id) => this.get(table, id));
    const rows: Row[] = [];
    for (const id of there) {
      await this.#take(id, mode);
      const stored = this.get(table, id);
      if (stored) rows.push({ ...stored.row });
    }
    return rows;
  }

  /** @returns false when `onTaken` is `nothing` and the key is taken. */
  async insert(name: string, values: Row, onTaken: 'error' | 'nothing' = 'error'): Promise<boolean> {
    this.#check();
    const table = this.#database.table(name);
    const row = this.#complete(table, values);
    const id = table.idOf(row);
    await this.#take(`pkey ${id}`, 'exclusive');
    if (this.get(table, id)) {
      if (onTaken === 'nothing') return false;
      throw this.#failed(
        '23505',
        `duplicate key value violates unique constraint "${name}_pkey"`,
        `${name}_pkey`,
      );
    }
    this.#checkRow(table, row);
    await this.#takeUnique(table, id, null, row);
    await this.#take(id, 'exclusive');
    this.#put(table, id, row);
    if (table.definition.published)
      this.messages.push({ tag: 'insert', relation: relationOf(table), after: row });
    if (!this.#replica) await this.#checkParents(table, null, row);
    return true;
  }

  /** @returns false when there is no such row. */
  async update(name: string, key: Row, values: Row): Promise<boolean> {
    this.#check();
    const table = this.#database.table(name);
    const id = table.idOf(key);
    if (!this.get(table, id)) return false;
    await this.#take(id, 'update');
    const stored = this.get(table, id);
    if (!stored) return false;
    const row = this.#complete(table, { ...stored.row, ...values });
    if (table.idOf(row) !== id) throw new Error('the model does not change keys: delete and insert');
    this.#checkRow(table, row);
    await this.#takeUnique(table, id, stored.row, row);
    this.#put(table, id, row);
    if (table.definition.published)
      this.messages.push({ tag: 'update', relation: relationOf(table), before: stored.row, after: row });
    if (!this.#replica) await this.#checkParents(table, stored.row, row);
    return true;
  }

  async delete(name: string, key: Row): Promise<boolean> {
    this.#check();
    const table = this.#database.table(name);
    const id = table.idOf(key);
    if (!this.get(table, id)) return false;
    await this.#take(id, 'exclusive');
    const stored = this.get(table, id);
    if (!stored) return false;
    await this.#take(`pkey ${id}`, 'exclusive');
    await this.#takeUnique(table, id, stored.row, null);
    this.#put(table, id, null);
    if (table.definition.published)
      this.messages.push({ tag: 'delete', relation: relationOf(table), before: stored.row });
    if (!this.#replica) this.#checkChildren(table, stored.row);
    return true;
  }

  /** @returns where the message stands in the WAL. */
  emit(prefix: string, content: string): number {
    this.#check();
    this.messages.push({ tag: 'message', transactional: true, prefix, content });
    return this.#database.writeWal(16);
  }

  savepoint(): Savepoint {
    this.#check();
    return { undo: this.#undo.length, messages: this.messages.length, locks: this.#locks.length };
  }

  rollbackTo({ undo, messages, locks }: Savepoint): void {
    if (this.#state === 'ended') throw lost();
    this.#database.locks.forget(this);
    for (const { table, id, before } of this.#undo.splice(undo).reverse()) {
      const own = this.overlay.get(table) as Map<string, StoredRow | null>;
      if (before === undefined) own.delete(id);
      else own.set(id, before);
    }
    this.messages.length = messages;
    for (const { key, mode } of this.#locks.splice(locks).reverse())
      this.#database.locks.release(this, key, mode);
    this.#state = 'open';
  }

  commit(): Promise<void> {
    this.#check();
    this.#commitSent = true;
    return this.#database.commit(this);
  }

  /** The client is gone: what was not told to commit is undone. */
  abandon(): void {
    if (!this.#commitSent) this.rollback();
  }

  /** Ends without a trace. May be called at any time, and again. */
  rollback(): void {
    if (this.#state === 'ended') return;
    this.overlay.clear();
    this.messages.length = 0;
    this.finish();
  }

  /** The server has lost it: whoever waits for it hears that the connection broke. */
  lose(): void {
    this.rollback();
    this.#onLost?.(lost());
  }

  onLost(callback: (error: Error) => void): void {
    this.#onLost = callback;
  }

  /** Its rows have this commit time from now on. */
  committed(at: number): void {
    for (const rows of this.overlay.values()) {
      for (const stored of rows.values()) if (stored) stored.writtenAt = at;
    }
  }

  finish(): void {
    this.#state = 'ended';
    this.#database.locks.forget(this);
    for (const { key, mode } of this.#locks.splice(0).reverse())
      this.#database.locks.release(this, key, mode);
    this.#database.ended(this);
  }

  #check(): void {
    if (this.#state === 'ended') throw lost();
    if (this.#state === 'failed')
      throw new DatabaseError('25P02', 'current transaction is aborted, commands ignored until end of block');
  }

  #failed(code: string, message: string, constraint: string): DatabaseError {
    this.#state = 'failed';
    return new DatabaseError(code, message, constraint);
  }

  async #take(key: string, mode: LockMode): Promise<void> {
    if (this.#state === 'ended') throw lost();
    try {
      const waits = this.#database.locks.take(this, key, mode, () => this.#locks.push({ key, mode }));
      if (waits === null) return;
      await new Promise<void>((resolve, reject) => {
        this.#onLost = reject;
        waits.then(resolve, reject);
      });
    } catch (error) {
      if (this.#state === 'open') this.#state = 'failed';
      throw error;
    }
  }

  #put(table: ModelTable, id: string, row: Row | null): void {
    const { name } = table.definition;
    const own = this.overlay.get(name) ?? new Map<string, StoredRow | null>();
    this.overlay.set(name, own);
    this.#undo.push({ table: name, id, before: own.get(id) });
    own.set(id, row && { row, writtenAt: null, origin: this.origin });
  }

  #complete(table: ModelTable, values: Row): Row {
    const row: Row = {};
    for (const [column, type] of Object.entries(table.definition.columns)) {
      const value = values[column] ?? null;
      row[column] = value === null ? null : printed(type, value);
    }
    return row;
  }

  #checkRow(table: ModelTable, row: Row): void {
    const broken = table.definition.checks?.find((check) => !check.holds(row));
    if (broken)
      throw this.#failed('23514', `new row violates check constraint "${broken.name}"`, broken.name);
  }

  /** Waits for whoever is about to take or free the values, then takes them. */
  async #takeUnique(table: ModelTable, id: string, before: Row | null, after: Row | null): Promise<void> {
    const old = before ? table.entriesOf(before) : [];
    const now = after ? table.entriesOf(after) : [];
    for (const [constraint, value] of [...old, ...now])
      await this.#take(`${constraint} ${value}`, 'exclusive');
    for (const [constraint, value] of now) {
      if (this.#holderOf(table, constraint, value, id))
        throw this.#failed(
          '23505',
          `duplicate key value violates unique constraint "${constraint}"`,
          constraint,
        );
    }
  }

  /** Whether another row that this transaction sees has the value. */
  #holderOf(table: ModelTable, constraint: string, value: string, id: string): boolean {
    const own = this.overlay.get(table.definition.name);
    const holder = table.holderOf(constraint, value);
    if (holder !== undefined && holder !== id && own?.get(holder) === undefined) return true;
    for (const [other, stored] of own ?? []) {
      if (other === id || !stored) continue;
      if (table.entriesOf(stored.row).some(([name, taken]) => name === constraint && taken === value))
        return true;
    }
    return false;
  }

  async #checkParents(table: ModelTable, before: Row | null, after: Row): Promise<void> {
    for (const { name, columns, parent, parentColumns } of table.definition.foreignKeys ?? []) {
      if (columns.some((column) => after[column] === null)) continue;
      if (before && columns.every((column) => before[column] === after[column])) continue;
      const key = Object.fromEntries(
        parentColumns.map((column, i) => [column, after[columns[i] as string] ?? null]),
      );
      const [found] = await this.lock(parent, [key], 'keyShare');
      if (!found)
        throw this.#failed('23503', `insert or update violates foreign key constraint "${name}"`, name);
    }
  }

  #checkChildren(parent: ModelTable, gone: Row): void {
    for (const table of this.#database.tables) {
      for (const { name, columns, parent: of, parentColumns } of table.definition.foreignKeys ?? []) {
        if (of !== parent.definition.name) continue;
        const refers = (row: Row) =>
          columns.every((column, i) => row[column] === gone[parentColumns[i] as string]);
        if (this.all(table.definition.name).some((stored) => refers(stored.row)))
          throw this.#failed('23503', `update or delete violates foreign key constraint "${name}"`, name);
      }
    }
  }
}

function lost(): DatabaseError {
  return new DatabaseError('57P01', 'the connection was lost');
}

const relations = new WeakMap<ModelTable['definition'], Relation>();

function relationOf({ definition }: ModelTable): Relation {
  const known = relations.get(definition);
  if (known) return known;
  const relation = { id: 1, table: definition.name, columns: Object.keys(definition.columns) };
  relations.set(definition, relation);
  return relation;
}
