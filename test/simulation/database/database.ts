/**
 * A model of one Postgres database: committed rows, row locks, a WAL of committed transactions in commit order, one
 * replication slot. What matters to the engine is as Postgres has it: statements at READ COMMITTED, unique keys checked row by
 * row as they are written, a commit that is in the WAL a moment before others see it, commit timestamps that follow a replayed
 * transaction's own date, a slot that may stand further back after a crash.
 *
 * It can crash (open transactions vanish, what is in the WAL stays) and be restored to an earlier moment.
 */
import type { Message } from '@skooly-edge/sync-protocol';
import type { Chance } from '../world/chance.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { Locks } from './locks.ts';
import type { TableDefinition } from './schema.ts';
import { ModelTable, type StoredRow } from './table.ts';
import { DatabaseError, Transaction, type TransactionOptions } from './transaction.ts';

/** One committed transaction, as logical decoding gives it. */
export interface WalRecord {
  endLsn: number;
  /** Microseconds since 1970, by this database's clock or as the transaction was dated. */
  committedAt: number;
  origin: string | null;
  messages: Message[];
}

export interface Slot {
  /** Everything up to here has been confirmed by its reader. */
  confirmed: number;
  /** What a crash leaves of that. */
  persisted: number;
}

interface Snapshot {
  atUs: number;
  rows: Map<string, ReadonlyMap<string, StoredRow>>;
  lsn: number;
  wal: readonly WalRecord[];
}

export interface DatabaseOptions {
  name: string;
  tables: readonly TableDefinition[];
  scheduler: Scheduler;
  chance: Chance;
}

/** A commit is in the WAL this long, on average, before it is visible. */
const visibleDelayUs = 200;
const commitDelayUs = 400;

export class Database {
  readonly name: string;
  readonly locks = new Locks();
  readonly wal: WalRecord[] = [];
  slot: Slot = { confirmed: 0, persisted: 0 };
  /** Told of every commit, for whoever keeps the history. */
  onRecord: (record: WalRecord) => void = () => {};
  /** When a commit really happened, by what the clock showed. */
  readonly trueTimes = new Map<number, number>();
  /** When somebody did without the feed, because it did not come up to date in good time. */
  readonly feedMissed: number[] = [];
  /** By how much the machine's clock is wrong, microseconds. */
  clockErrorUs = 0;
  readonly #options: DatabaseOptions;
  #tables: Map<string, ModelTable>;
  #open = new Set<Transaction>();
  readonly #committing = new Set<Transaction>();
  /** Commits in the WAL that nobody sees yet. */
  readonly #invisible = new Map<Transaction, number>();
  #waiters: (() => void)[] = [];
  #lsn = 1_000;
  #generation = 0;

  constructor(options: DatabaseOptions) {
    this.name = options.name;
    this.#options = options;
    this.#tables = new Map(options.tables.map((table) => [table.name, new ModelTable(table)]));
  }

  get lsn(): number {
    return this.#lsn;
  }

  get nowUs(): number {
    return Math.max(0, this.#options.scheduler.nowUs + this.clockErrorUs);
  }

  /** Transactions that are neither committed nor undone. */
  get open(): number {
    return this.#open.size + this.#committing.size;
  }

  table(name: string): ModelTable {
    const table = this.#tables.get(name);
    if (!table) throw new Error(`the model has no table ${name}`);
    return table;
  }

  get tables(): Iterable<ModelTable> {
    return this.#tables.values();
  }

  /** Whether the commit with this id is in the WAL and not yet seen by others. */
  isInvisible(xid: number): boolean {
    return [...this.#invisible.values()].includes(xid);
  }

  begin(options: Partial<TransactionOptions> = {}): Transaction {
    const transaction = new Transaction(this, { origin: null, replica: false, givesWay: false, ...options });
    this.#open.add(transaction);
    return transaction;
  }

  /** Resolves when the WAL has grown, or the server has gone away. */
  grown(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  /** What has been committed behind that position, in order. */
  walAfter(lsn: number): WalRecord[] {
    let first = this.wal.length;
    while (first > 0 && (this.wal[first - 1] as WalRecord).endLsn > lsn) first--;
    return this.wal.slice(first);
  }

  /** A connection of this moment: lost when the server crashes. */
  connection(): { readonly isLost: boolean; check(): void } {
    const generation = this.#generation;
    const isLost = () => generation !== this.#generation;
    return {
      get isLost() {
        return isLost();
      },
      check() {
        if (isLost()) throw new DatabaseError('57P01', 'the connection was lost');
      },
    };
  }

  /** @returns the position of what was written. */
  writeWal(bytes: number): number {
    this.#lsn += bytes;
    return this.#lsn;
  }

  ended(transaction: Transaction): void {
    this.#open.delete(transaction);
    this.#committing.delete(transaction);
    this.#invisible.delete(transaction);
  }

  /** The server has been told to commit; it does, whatever becomes of the client. Resolves when the commit is visible. */
  commit(transaction: Transaction): Promise<void> {
    const { scheduler, chance } = this.#options;
    const generation = this.#generation;
    return new Promise((resolve, reject) => {
      transaction.onLost(reject);
      scheduler.after(chance.delay(commitDelayUs), () => {
        if (generation !== this.#generation || !transaction.isOpen) return;
        const committedAt = transaction.date ?? this.nowUs;
        this.#open.delete(transaction);
        this.#committing.add(transaction);
        transaction.committed(committedAt);
        if (transaction.messages.length > 0) this.#appendWal(transaction, committedAt);
        scheduler.after(chance.delay(visibleDelayUs), () => {
          if (generation !== this.#generation) return;
          this.#makeVisible(transaction);
          resolve();
        });
      });
    });
  }

  /** Open transactions vanish; what is in the WAL is there. Clients lose their connections. */
  crash(): void {
    this.#generation++;
    for (const transaction of [...this.#committing]) {
      this.#makeVisible(transaction);
      transaction.lose();
    }
    for (const transaction of [...this.#open]) transaction.lose();
    this.slot = { confirmed: this.slot.persisted, persisted: this.slot.persisted };
    this.#wake();
  }

  snapshot(): Snapshot {
    const rows = new Map<string, ReadonlyMap<string, StoredRow>>();
    for (const [name, table] of this.#tables) rows.set(name, new Map(table.rows));
    return { atUs: this.#options.scheduler.nowUs, rows, lsn: this.#lsn, wal: [...this.wal] };
  }

  /** The database as it was then; the WAL goes on from there, and slots are in no backup. */
  restore({ rows, lsn, wal }: Snapshot): void {
    this.crash();
    for (const [name, table] of this.#tables)
      this.#tables.set(name, new ModelTable(table.definition, rows.get(name)));
    this.wal.splice(0, this.wal.length, ...wal);
    this.#lsn = lsn;
    this.slot = { confirmed: lsn, persisted: lsn };
  }

  #appendWal(transaction: Transaction, committedAt: number): void {
    const finalLsn = this.writeWal(8);
    const endLsn = this.writeWal(24);
    const { origin } = transaction;
    const messages = framed(transaction.messages, { origin, finalLsn, endLsn, committedAt });
    const record = { endLsn, committedAt, origin, messages };
    this.wal.push(record);
    this.trueTimes.set(committedAt, this.#options.scheduler.nowUs);
    this.#invisible.set(transaction, endLsn);
    this.onRecord(record);
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #makeVisible(transaction: Transaction): void {
    for (const [name, rows] of transaction.overlay) {
      const table = this.table(name);
      // First what goes, so that a value handed on is free when its new row takes it.
      for (const [id, stored] of rows) if (!stored) table.put(id, null);
      for (const [id, stored] of rows) if (stored) table.put(id, stored);
    }
    transaction.finish();
  }
}

function framed(
  messages: Message[],
  {
    origin,
    finalLsn,
    endLsn,
    committedAt,
  }: { origin: string | null; finalLsn: number; endLsn: number; committedAt: number },
): Message[] {
  return [
    { tag: 'begin', finalLsn, committedAt, xid: endLsn },
    ...(origin === null ? [] : [{ tag: 'origin', name: origin } as const]),
    ...messages,
    { tag: 'commit', endLsn, committedAt },
  ];
}
