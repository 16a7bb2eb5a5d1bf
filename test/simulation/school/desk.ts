/** Somebody who works at one site: a connection to its database, transactions, and a ledger of what was acknowledged. */
import type { Row } from '@skooly-edge/sync-protocol';
import type { Database } from '../database/database.ts';
import { Session } from '../database/session.ts';
import type { Chance } from '../world/chance.ts';
import { Process } from '../world/process.ts';
import type { Scheduler } from '../world/scheduler.ts';

/** What a user was told to be done. */
export interface Acknowledged {
  site: string;
  /** Names of the values that were written: each is written once in the whole simulation. */
  tokens: string[];
  payments: { id: string; amount: number }[];
}

export interface DeskOptions {
  site: string;
  database: Database;
  scheduler: Scheduler;
  chance: Chance;
  /** A name for a value, never given twice. */
  token(site: string): string;
  ledger: Acknowledged[];
}

export class Desk {
  readonly site: string;
  readonly chance: Chance;
  readonly #options: DeskOptions;
  readonly #process: Process;
  readonly #session: Session;
  #entry: Acknowledged;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.site = options.site;
    this.chance = options.chance;
    this.#process = new Process(`desk ${options.site}`, options.scheduler, options.chance);
    this.#session = new Session(this.#process, options.database);
    this.#entry = { site: this.site, tokens: [], payments: [] };
  }

  sleep(delayUs: number): Promise<void> {
    return this.#process.sleep(delayUs);
  }

  /** One transaction. @returns whether it was acknowledged; the database may refuse it, and the user is told so. */
  async transact(work: () => Promise<void>): Promise<boolean> {
    this.#entry = { site: this.site, tokens: [], payments: [] };
    try {
      await this.#session.begin();
      await work();
      await this.#session.commit();
      this.#options.ledger.push(this.#entry);
      return true;
    } catch (error) {
      this.#session.rollback();
      if (typeof (error as { code?: unknown }).code !== 'string') throw error;
      return false;
    }
  }

  token(): string {
    return this.#options.token(this.site);
  }

  rows(table: string): Promise<Row[]> {
    return this.#session.run((transaction) => transaction.all(table).map(({ row }) => row));
  }

  /** Nobody else changes the row until the transaction ends. @returns it as it is now. */
  async locked(table: string, row: Row): Promise<Row | undefined> {
    const [found] = await this.#session.run((transaction) => transaction.lock(table, [row], 'exclusive'));
    return found;
  }

  /** The user reads what is on the screen for a while. */
  async think(): Promise<void> {
    if (this.chance.happens(0.2)) await this.sleep(this.chance.delay(60_000));
  }

  async insert(table: string, row: Row): Promise<void> {
    await this.#session.run((transaction) => transaction.insert(table, row));
    this.#wrote(row);
  }

  async update(table: string, row: Row, values: Row): Promise<void> {
    const found = await this.#session.run((transaction) => transaction.update(table, row, values));
    if (found) this.#wrote(values);
  }

  async delete(table: string, row: Row): Promise<void> {
    await this.#session.run((transaction) => transaction.delete(table, row));
  }

  #wrote(row: Row): void {
    for (const value of Object.values(row)) if (value?.startsWith('t:')) this.#entry.tokens.push(value);
  }

  paid(id: string, amount: number): void {
    this.#entry.payments.push({ id, amount });
  }
}
