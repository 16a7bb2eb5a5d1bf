/** A connection of one process to a model database: every statement is an effect of that process, which may die at it. */
import type { Process } from '../world/process.ts';
import type { Database } from './database.ts';
import type { Transaction, TransactionOptions } from './transaction.ts';

export class Session {
  readonly process: Process;
  readonly database: Database;
  readonly #options: Partial<TransactionOptions>;
  #transaction: Transaction | null = null;
  /** The last statement that was sent, answered or not. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(process: Process, database: Database, options: Partial<TransactionOptions> = {}) {
    this.process = process;
    this.database = database;
    this.#options = options;
    process.onDeath(() => this.#transaction?.abandon());
  }

  get transaction(): Transaction {
    if (!this.#transaction) throw new Error('no transaction is open');
    return this.#transaction;
  }

  async begin(): Promise<void> {
    await this.process.step();
    if (!this.process.alive) return this.process.never();
    this.#transaction = this.database.begin(this.#options);
  }

  /** One statement, or several in one message. Those that are sent without waiting for an answer are worked on in their order. */
  run<T>(statement: (transaction: Transaction) => Promise<T> | T): Promise<T> {
    const { transaction } = this;
    const answer = this.#last.then(() => this.#work(transaction, statement));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #work<T>(
    transaction: Transaction,
    statement: (transaction: Transaction) => Promise<T> | T,
  ): Promise<T> {
    await this.process.step();
    // It may have died while this was on its way.
    if (!this.process.alive) return this.process.never();
    const result = statement(transaction);
    return result instanceof Promise ? this.process.see(result) : result;
  }

  async commit(): Promise<void> {
    const { transaction } = this;
    await this.process.step();
    if (!this.process.alive) return this.process.never();
    await this.process.see(transaction.commit());
    this.#transaction = null;
    await this.process.step();
  }

  rollback(): void {
    this.#transaction?.rollback();
    this.#transaction = null;
  }
}

/** A transaction of its own around the work. */
export async function inTransaction<T>(
  process: Process,
  database: Database,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = new Session(process, database);
  await session.begin();
  try {
    const result = await work(session);
    await session.commit();
    return result;
  } catch (error) {
    session.rollback();
    throw error;
  }
}
