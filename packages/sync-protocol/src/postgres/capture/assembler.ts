/**
 * Puts decoded messages together into committed transactions, in commit order.
 *
 * A change of a primary key becomes a delete and an insert, so that every change speaks of one row. An update that
 * changed nothing is left out. A transaction that outgrows a part is handed on part by part, always cut in the same places,
 * so that one that is read again is recognised.
 */
import { type Change, keyOf, type Row } from '../../transaction/transaction.ts';
import type { Lsn, Message, Relation } from './pgoutput.ts';

/** A transaction as one site's WAL has it, before it is given a seq. */
export interface CapturedTransaction {
  /** Where its commit ends: every later transaction ends further on. For a part that is not the last, within the commit. */
  endLsn: Lsn;
  /** Which part of its transaction this is, from 0; left out for a transaction that is whole. */
  part?: number;
  /** Further parts follow. */
  more?: boolean;
  /** Its transaction id, without the epoch. */
  xid?: number;
  /** Microseconds since 1970-01-01 UTC. */
  committedAt: number;
  /** The replication origin it was written under; null for the school's own writes. */
  origin: string | null;
  /** For an insert or update, `whole` is the whole new row; for a delete, the whole old one. */
  changes: CapturedChange[];
  /** Logical messages emitted inside the transaction. */
  messages: { prefix: string; content: string }[];
  /** Tables that were truncated in it: no row tells. */
  truncated?: string[];
  /** Tables of which rows were changed that nobody wanted to be decoded: see `AssemblerOptions.passOver`. */
  passedOver?: Set<string>;
}

export interface CapturedChange extends Change {
  whole: Row;
  /** The whole row as it was; null for an insert. */
  wholeBefore: Row | null;
}

/** What capture has to know of a table, by its schema-qualified name. */
export interface CaptureTable {
  /** Primary key columns in alphabetical order. */
  keyColumns: readonly string[];
  /** The column that tells who wrote the row. */
  by: string | null;
}

/** What is known of a transaction before its first row. */
export interface TransactionHead {
  origin: string | null;
  messages: readonly { prefix: string; content: string }[];
}

export interface AssemblerOptions {
  table(name: string): CaptureTable;
  /** Origins whose rows nobody reads: their changes are not even put together. */
  skipOrigin(name: string): boolean;
  /**
   * Asked at the first change of a row of a transaction. Null: every change is wanted; else the tables whose changes need not be
   * decoded.
   */
  passOver?(head: TransactionHead): ((table: string) => boolean) | null;
  /** A part ends with the change that reaches one of these. */
  maxPartChanges?: number;
  maxPartBytes?: number;
}

const defaultPartChanges = 5_000;
const defaultPartBytes = 8 * 1024 * 1024;

export class Assembler {
  readonly #options: AssemblerOptions;
  #open: CapturedTransaction | null = null;
  #skipping = false;
  #bytes = 0;

  constructor(options: AssemblerOptions) {
    this.#options = options;
  }

  /**
   * @param size Of the message, in bytes.
   * @returns the transaction, or the part of one, that this message completes; null while none is complete.
   */
  add(message: Message, size = 0): CapturedTransaction | null {
    switch (message.tag) {
      case 'begin':
        this.#open = {
          endLsn: message.finalLsn,
          xid: message.xid,
          committedAt: message.committedAt,
          origin: null,
          changes: [],
          messages: [],
        };
        this.#skipping = false;
        this.#bytes = 0;
        return null;
      case 'commit':
        return this.#commit(message.endLsn);
      case 'origin':
        this.#transaction().origin = message.name;
        this.#skipping = this.#options.skipOrigin(message.name);
        return null;
      case 'message':
        if (message.transactional)
          this.#transaction().messages.push({ prefix: message.prefix, content: message.content });
        return null;
      case 'insert':
      case 'update':
      case 'delete':
        if (this.#skipping) return null;
        this.#change(message);
        this.#bytes += size;
        return this.#partIsFull() ? this.#cut() : null;
      case 'passed_over':
        if (!this.#skipping) this.#passOver(message.table);
        return null;
      case 'truncate':
        if (!this.#skipping) this.#transaction().truncated = message.relations.map(({ table }) => table);
        return null;
      default:
        return null;
    }
  }

  #transaction(): CapturedTransaction {
    if (!this.#open) throw new Error('a change arrived outside a transaction');
    return this.#open;
  }

  #passOver(table: string): void {
    const transaction = this.#transaction();
    transaction.passedOver ??= new Set();
    transaction.passedOver.add(table);
  }

  #partIsFull(): boolean {
    const { maxPartChanges = defaultPartChanges, maxPartBytes = defaultPartBytes } = this.#options;
    return this.#transaction().changes.length >= maxPartChanges || this.#bytes >= maxPartBytes;
  }

  #cut(): CapturedTransaction {
    const whole = this.#transaction();
    const { part = 0 } = whole;
    this.#open = { ...whole, part: part + 1, changes: [], messages: [] };
    this.#bytes = 0;
    // The commit before may end where the record of this commit begins.
    return { ...whole, endLsn: whole.endLsn + 1, part, more: true };
  }

  #commit(endLsn: Lsn): CapturedTransaction {
    const transaction = this.#transaction();
    transaction.endLsn = endLsn;
    this.#open = null;
    return transaction;
  }

  #change(message: Extract<Message, { tag: 'insert' | 'update' | 'delete' }>): void {
    const { changes } = this.#transaction();
    const { relation } = message;
    const table = this.#options.table(relation.table);
    if (message.tag === 'insert') changes.push(inserted(relation, table, message.after));
    else if (message.tag === 'delete') changes.push(deleted(relation, table, message.before));
    else if (sameKey(table, message.before, message.after)) {
      const change = updated(relation, table, message.before, message.after);
      if (change) changes.push(change);
    } else {
      changes.push(deleted(relation, table, message.before), inserted(relation, table, message.after));
    }
  }
}

function inserted(relation: Relation, table: CaptureTable, after: Row): CapturedChange {
  return {
    table: relation.table,
    key: keyOf(after, table.keyColumns),
    op: 'insert',
    before: null,
    after,
    ...author(table, after),
    whole: after,
    wholeBefore: null,
  };
}

function deleted(relation: Relation, table: CaptureTable, before: Row): CapturedChange {
  const key = keyOf(before, table.keyColumns);
  return {
    table: relation.table,
    key,
    op: 'delete',
    before,
    after: null,
    whole: before,
    wholeBefore: before,
  };
}

function updated(relation: Relation, table: CaptureTable, old: Row, now: Row): CapturedChange | null {
  const before: Row = {};
  const after: Row = {};
  let changed = false;
  for (const column of relation.columns) {
    if (old[column] === now[column]) continue;
    before[column] = old[column] ?? null;
    after[column] = now[column] ?? null;
    changed = true;
  }
  if (!changed) return null;
  return {
    table: relation.table,
    key: keyOf(now, table.keyColumns),
    op: 'update',
    before,
    after,
    ...author(table, now),
    whole: now,
    wholeBefore: old,
  };
}

function author(table: CaptureTable, row: Row): Pick<Change, 'by'> {
  return table.by === null ? {} : { by: row[table.by] ?? null };
}

function sameKey(table: CaptureTable, before: Row, after: Row): boolean {
  return table.keyColumns.every((column) => before[column] === after[column]);
}
