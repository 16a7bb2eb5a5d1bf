/**
 * Capture turns a site's WAL into ordered transactions and hands them to a sink.
 *
 * In this order: read the slot, put transactions together, hand over a batch, wait until the sink has made it durable,
 * only then confirm its LSN to Postgres. After a crash Postgres sends again what was not confirmed; the sink
 * recognises by LSN what it already has.
 *
 * It does not promise that a transaction is handed over only once, nor that the slot still exists: a slot that is
 * gone is an error with a name, since changes may have been missed.
 */
import { Client } from 'pg';
import { SyncError } from '../../errors.ts';
import { markMessage } from '../messages.ts';
import { databaseName, publicationName, replicationName, sessionConfig } from '../session.ts';
import { Assembler, type AssemblerOptions, type CapturedTransaction } from './assembler.ts';
import { ConfirmingService } from './confirming-service.ts';
import { type Lsn, type Message, PgoutputDecoder, parseLsn } from './pgoutput.ts';

export interface CaptureSink {
  /**
   * Makes the transactions durable before it returns. Called with batches in commit order, never twice at once;
   * after a restart it may be given transactions that it already has. If it throws, capture stops with that error and
   * nothing of the batch is confirmed.
   */
  append(transactions: CapturedTransaction[]): Promise<void> | void;
}

export interface CaptureOptions extends AssemblerOptions {
  connectionString: string;
  sink: CaptureSink;
  applicationName: string;
}

/** A batch is handed over when it holds this many changes, or when the stream has nothing more at hand. */
const maxBatchChanges = 5_000;

/** How often Postgres hears from us when there is nothing to confirm (its wal_sender_timeout is 60 s). */
const statusIntervalMs = 10_000;

export class Capture {
  readonly #options: CaptureOptions;
  readonly #slot: string;
  #durable: Lsn = 0;
  #streaming = false;
  #session: CaptureSession | null = null;
  #waiters: { lsn: Lsn; resolve: () => void }[] = [];

  constructor(options: CaptureOptions) {
    this.#options = options;
    this.#slot = replicationName(databaseName(options.connectionString), 'slot');
  }

  /** Everything that committed before this position is in the sink. */
  get durable(): Lsn {
    return this.#durable;
  }

  /** Whether Postgres is sending at this moment. */
  get streaming(): boolean {
    return this.#streaming;
  }

  /**
   * Reads until the signal aborts (returns) or the stream fails (throws). May be called again after it ended.
   *
   * @throws SyncError SLOT_MISSING, CAPTURE_STOPPED.
   */
  async run(signal: AbortSignal): Promise<void> {
    const start = await this.#slotPosition();
    if (signal.aborted) return;
    const session = new CaptureSession(this.#options, (lsn) => this.#advance(lsn));
    this.#session = session;
    try {
      await session.run(this.#slot, start, signal, () => {
        this.#streaming = true;
      });
    } finally {
      this.#streaming = false;
      this.#session = null;
    }
  }

  /** Reads nothing until `resume`: Postgres keeps what follows. Does not outlast the connection. */
  pause(): void {
    this.#session?.pause();
  }

  resume(): void {
    this.#session?.resume();
  }

  /**
   * Resolves when everything that had committed before this call is in the sink: it commits a marker of its own
   * and waits until capture has passed it.
   *
   * @param client Any connection to the same database, outside the transaction that waits.
   */
  async passed(client: Pick<Client, 'query'>, signal?: AbortSignal): Promise<void> {
    const { rows } = await client.query('SELECT pg_logical_emit_message(true, $1, $2) AS lsn', [
      markMessage,
      '',
    ]);
    const lsn = parseLsn(rows[0].lsn);
    if (this.#durable > lsn) return;
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const waiter = { lsn, resolve };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal.reason);
      });
    });
  }

  #advance(lsn: Lsn): void {
    if (lsn <= this.#durable) return;
    this.#durable = lsn;
    const due = this.#waiters.filter((waiter) => waiter.lsn < lsn);
    if (due.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.lsn >= lsn);
    for (const waiter of due) waiter.resolve();
  }

  async #slotPosition(): Promise<string> {
    const client = new Client(sessionConfig(this.#options.connectionString, this.#options));
    await client.connect();
    try {
      const { rows } = await client.query(
        'SELECT confirmed_flush_lsn AS lsn FROM pg_replication_slots WHERE slot_name = $1 AND wal_status <> $2',
        [this.#slot, 'lost'],
      );
      if (rows.length === 0)
        throw new SyncError('SLOT_MISSING', `Postgres has no usable replication slot ${this.#slot}.`);
      return rows[0].lsn;
    } finally {
      await client.end();
    }
  }
}

/** One connection's worth of capture. */
class CaptureSession {
  readonly #options: CaptureOptions;
  readonly #onDurable: (lsn: Lsn) => void;
  readonly #assembler: Assembler;
  readonly #service: ConfirmingService;
  #batch: CapturedTransaction[] = [];
  #batchChanges = 0;
  #inTransaction = false;
  readonly #reader: WantedReader;
  #flushing: Promise<void> | null = null;
  #flushScheduled = false;
  #isPaused = false;
  #confirmed: Lsn = 0;
  #failure: unknown = null;

  constructor(options: CaptureOptions, onDurable: (lsn: Lsn) => void) {
    this.#options = options;
    this.#onDurable = onDurable;
    this.#assembler = new Assembler(options);
    this.#reader = new WantedReader(options);
    // The service's own timer would confirm what it has received, not what is durable: it is switched off.
    this.#service = new ConfirmingService(sessionConfig(options.connectionString, options), {
      acknowledge: { auto: false, timeoutSeconds: 0 },
    });
  }

  async run(slot: string, start: string, signal: AbortSignal, onStart: () => void): Promise<void> {
    this.#confirmed = parseLsn(start);
    this.#service.on('start', onStart);
    this.#service.on('heartbeat', (lsn: string, _time: number, respond: boolean) =>
      this.#heartbeat(parseLsn(lsn), respond),
    );
    this.#service.on('error', (error: unknown) => this.#fail(error));
    // The client of a connection that is ended while it is being made says nothing ever after.
    const aborted = Promise.withResolvers<void>();
    const stop = () => {
      void this.#service.stop().catch(() => {});
      aborted.resolve();
    };
    signal.addEventListener('abort', stop);
    const plugin = new DirectPlugin((message) => this.#receive(message));
    const status = setInterval(() => this.#confirm(this.#confirmed), statusIntervalMs);
    try {
      await Promise.race([this.#service.subscribe(plugin, slot, start), aborted.promise]);
    } catch (error) {
      this.#fail(error);
    } finally {
      clearInterval(status);
      signal.removeEventListener('abort', stop);
      await this.#flushing?.catch(() => {});
      await this.#service.destroy();
      // What began to connect only now ends as soon as it has.
      this.#service.on('error', () => {});
      this.#service.on('start', () => void this.#service.stop().catch(() => {}));
    }
    if (signal.aborted) return;
    throw new SyncError('CAPTURE_STOPPED', `Capture stopped: ${describe(this.#failure)}.`, {
      cause: this.#failure,
    });
  }

  pause(): void {
    this.#isPaused = true;
    this.#service.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#service.resume();
  }

  #receive(buffer: Buffer): void {
    if (this.#failure) return;
    try {
      const message = this.#reader.read(buffer);
      if (message.tag === 'begin') this.#inTransaction = true;
      const transaction = this.#assembler.add(message, buffer.length);
      if (!transaction) return;
      this.#inTransaction = transaction.more === true;
      this.#batch.push(transaction);
      this.#batchChanges += transaction.changes.length;
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#batchChanges >= maxBatchChanges) void this.#flushBeforeMore();
    else this.#scheduleFlush();
  }

  /** What Postgres has sent already still comes. */
  async #flushBeforeMore(): Promise<void> {
    this.#service.pause();
    await this.#flush();
    if (!this.#isPaused) this.#service.resume();
  }

  /** Hands the batch over once the messages at hand have been read: many small transactions share one fsync. */
  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      void this.#flush();
    });
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#drain().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #drain(): Promise<void> {
    while (this.#batch.length > 0 && !this.#failure) {
      const batch = this.#batch;
      this.#batch = [];
      this.#batchChanges = 0;
      try {
        await this.#options.sink.append(batch);
      } catch (error) {
        this.#fail(error);
        return;
      }
      // Of a transaction in parts nothing is confirmed before its last: Postgres would not send the rest again.
      const last = batch.findLast((transaction) => !transaction.more);
      if (last) this.#confirm(last.endLsn);
    }
  }

  /** What Postgres has decoded up to here concerned nobody, unless something is still on its way to the sink. */
  #heartbeat(walEnd: Lsn, respond: boolean): void {
    if (this.#failure) return;
    const idle = this.#batch.length === 0 && !this.#flushing && !this.#inTransaction;
    if (idle && walEnd > this.#confirmed) this.#confirm(walEnd);
    else if (respond) this.#confirm(this.#confirmed);
  }

  #confirm(lsn: Lsn): void {
    if (this.#failure) return;
    this.#confirmed = Math.max(this.#confirmed, lsn);
    this.#onDurable(this.#confirmed);
    this.#service.confirm(this.#confirmed);
  }

  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = error ?? new Error('the connection ended');
    void this.#service.stop().catch(() => {});
  }
}

/** The service's idea of a plugin: hands each message on as it comes, so that none waits in a queue of the service's. */
class DirectPlugin {
  readonly name = 'pgoutput';
  readonly options = undefined;
  readonly parse: (message: Buffer) => void;

  constructor(receive: (message: Buffer) => void) {
    this.parse = receive;
  }

  start(client: Client, slot: string, lsn: string): Promise<unknown> {
    return client.query(
      `START_REPLICATION SLOT "${slot}" LOGICAL ${lsn} (proto_version '1', publication_names '${publicationName}', messages 'true')`,
    );
  }
}

/** Decodes what somebody wants, with every value kept as text. */
class WantedReader {
  readonly #decoder = new PgoutputDecoder();
  readonly #options: Pick<AssemblerOptions, 'passOver' | 'skipOrigin'>;
  #head: { origin: string | null; messages: { prefix: string; content: string }[] } = noHead();
  /** Undefined before the first row of a transaction. */
  #isPassedOver: ((table: string) => boolean) | null | undefined;

  constructor(options: Pick<AssemblerOptions, 'passOver' | 'skipOrigin'>) {
    this.#options = options;
  }

  /** @throws PgoutputError */
  read(buffer: Buffer): Message {
    const table = this.#decoder.tableOf(buffer);
    if (table !== null && this.#isUnwanted(table)) return { tag: 'passed_over', table };
    const message = this.#decoder.decode(buffer);
    this.#follow(message);
    return message;
  }

  #isUnwanted(table: string): boolean {
    if (this.#isPassedOver === undefined) this.#isPassedOver = this.#unwantedTables();
    return this.#isPassedOver?.(table) ?? false;
  }

  #unwantedTables(): ((table: string) => boolean) | null {
    const { origin } = this.#head;
    if (origin !== null && this.#options.skipOrigin(origin)) return () => true;
    return this.#options.passOver?.(this.#head) ?? null;
  }

  #follow(message: Message): void {
    if (message.tag === 'begin') {
      this.#head = noHead();
      this.#isPassedOver = undefined;
    } else if (message.tag === 'origin') this.#head.origin = message.name;
    else if (message.tag === 'message' && message.transactional) this.#head.messages.push(message);
  }
}

function noHead() {
  return { origin: null, messages: [] };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'the connection ended';
}
