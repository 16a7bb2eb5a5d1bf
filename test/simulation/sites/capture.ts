/**
 * Capture over a model database: reads the WAL behind the commits, puts transactions together with the engine's own assembler,
 * hands them to the sink, and confirms afterwards. What was not confirmed is read again by the next process.
 */
import { Assembler, type CapturedTransaction, markMessage } from '@skooly-edge/sync-protocol';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/session.ts';
import { DatabaseError } from '../database/transaction.ts';
import { schoolCatalog } from '../school/schema.ts';
import type { Chance } from '../world/chance.ts';
import type { Process } from '../world/process.ts';
import type { Scheduler } from '../world/scheduler.ts';

export interface CaptureSink {
  append(transactions: CapturedTransaction[]): Promise<void> | void;
}

export interface ModelCaptureOptions {
  process: Process;
  database: Database;
  scheduler: Scheduler;
  chance: Chance;
  sink: CaptureSink;
  skipOrigin(origin: string): boolean;
  /** A transaction with more changes comes in parts. */
  maxPartChanges: number;
}

const lagMeanUs = 8_000;
const stallShare = 0.03;
const stallMeanUs = 1_500_000;
const confirmMeanUs = 5_000;
const maxBatch = 8;
const restartDelayUs = 500_000;

/** As in the engine: `captured` gives up after this long. */
const capturedTimeoutUs = 10_000_000;

export class ModelCapture {
  readonly #options: ModelCaptureOptions;
  #durable = 0;
  #waiters: { lsn: number; resolve: () => void }[] = [];

  constructor(options: ModelCaptureOptions) {
    this.#options = options;
  }

  get durable(): number {
    return this.#durable;
  }

  /** Runs until its process dies. */
  async run(): Promise<void> {
    const { process, scheduler } = this.#options;
    for (;;) {
      try {
        await this.stream();
      } catch (error) {
        if (!isDatabaseTrouble(error)) scheduler.fail(error);
      }
      await process.sleep(restartDelayUs);
    }
  }

  /** Resolves when everything that had committed before the call is in the sink. */
  async passed(): Promise<void> {
    const { process, database } = this.#options;
    const lsn = await inTransaction(process, database, (session) =>
      session.run((transaction) => transaction.emit(markMessage, '')),
    );
    if (this.#durable > lsn) return;
    await process.within(
      capturedTimeoutUs,
      new Promise<void>((resolve) => {
        this.#waiters.push({ lsn, resolve });
      }),
    );
  }

  /** One stream, from what is confirmed until the connection breaks. */
  async stream(): Promise<void> {
    const { process, database, chance, sink } = this.#options;
    const lost = database.connection();
    const assembler = new Assembler({
      table: captureTable,
      skipOrigin: this.#options.skipOrigin,
      maxPartChanges: this.#options.maxPartChanges,
    });
    let position = database.slot.confirmed;
    // As by Postgres's heartbeat while there is nothing to read.
    this.#confirm(position);
    for (;;) {
      await this.#untilBeyond(position);
      await process.sleep(chance.happens(stallShare) ? chance.delay(stallMeanUs) : chance.delay(lagMeanUs));
      lost.check();
      const records = database.walAfter(position).slice(0, chance.between(1, maxBatch));
      const transactions = records.flatMap(({ messages }) =>
        messages.flatMap((message) => assembler.add(message) ?? []),
      );
      for (let next = 0; next < transactions.length; ) {
        const batch = transactions.slice(next, next + chance.between(1, transactions.length));
        next += batch.length;
        await process.step();
        if (!process.alive) return process.never();
        await sink.append(batch);
        await process.step();
        lost.check();
        // Of a transaction in parts nothing is confirmed before its last.
        const last = batch.findLast((transaction) => !transaction.more);
        if (last) this.#confirm(last.endLsn);
      }
      position = records.at(-1)?.endLsn ?? position;
    }
  }

  async #untilBeyond(position: number): Promise<void> {
    const { process, database } = this.#options;
    if (database.walAfter(position).length > 0) return;
    await process.see(database.grown());
  }

  #confirm(lsn: number): void {
    const { database, scheduler, chance } = this.#options;
    const connection = database.connection();
    scheduler.after(chance.delay(confirmMeanUs), () => {
      if (connection.isLost) return;
      database.slot.confirmed = Math.max(database.slot.confirmed, lsn);
      if (chance.happens(0.3)) database.slot.persisted = database.slot.confirmed;
    });
    this.#durable = Math.max(this.#durable, lsn);
    const due = this.#waiters.filter((waiter) => waiter.lsn < this.#durable);
    this.#waiters = this.#waiters.filter((waiter) => waiter.lsn >= this.#durable);
    for (const waiter of due) waiter.resolve();
  }
}

function captureTable(name: string) {
  const table = schoolCatalog.tables.get(name);
  if (!table) throw new Error(`${name} is not published`);
  return { keyColumns: table.keyColumns, by: table.rule.by };
}

/** The connection broke, or the server did not get to it: whoever it befell begins again. */
export function isDatabaseTrouble(error: unknown): boolean {
  return error instanceof DatabaseError && ['57P01', '25P02'].includes(error.code);
}
