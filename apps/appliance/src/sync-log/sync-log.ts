/**
 * The sync log: every transaction of this campus, in order, in a SQLite file, durable before Postgres is told that it was
 * read. It is drained towards the cloud by push, and asked by pull which rows this campus changed since a stamp.
 *
 * In one SQLite transaction per batch: the transactions and the WAL position. A batch that is captured again after a crash is
 * recognised by that position. What a batch brought is there for others, and confirmed to Postgres, once the disk has it
 * (`wal-sync.ts`). Which rows the transactions touch is made from them later (`touches.ts`).
 *
 * What the cloud has acknowledged, and the feed entries that came from it, stay for a time (`retention.ts`), because the
 * cloud may be restored to an earlier point. What is not acknowledged is never removed. It does not promise that an
 * acknowledged transaction is still here: who reads further back than is kept hears LOG_TRIMMED.
 */
import { randomUUID } from 'node:crypto';
import {
  type CapturedTransaction,
  type CaptureSink,
  type Change,
  encodeTransaction,
  type OwnChanges,
  type Row,
  type ServerIdentity,
  type Transaction,
} from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';
import { Acknowledgements } from './acknowledgements.ts';
import { asLogError, LogError } from './errors.ts';
import { type LogFreshness, openLogFile } from './log-file.ts';
import { type KeptEntry, Received, type ReceivedBlock, type ReceivedEntry } from './received.ts';
import type { LogSlice, PendingSummary } from './slice.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { Touches } from './touches.ts';
import { type LogUsage, Trimming } from './trimming.ts';
import { WalSync } from './wal-sync.ts';

export interface SyncLogOptions {
  /** Milliseconds since 1970-01-01 UTC; null while the clock cannot be trusted. */
  now(): number | null;
  /** Makes the epoch of a log that begins. */
  newEpoch(): string;
  /** In which boot, and when on its monotonic clock, a captured transaction was committed. */
  stamp?(committedAt: number): { boot: string; mono: number };
}

const systemOptions: SyncLogOptions = { now: Date.now, newEpoch: randomUUID };

/** How much of the log is parsed at once where it is read whole. */
const readAheadBytes = 1024 * 1024;

/** Rows are fetched in runs, which costs a tenth of one by one: a short run first, then such as hold about this much. */
const fewRows = 16;
const runBytes = 256 * 1024;

function rowsFor(bytesPerRow: number): number {
  return Math.max(1, Math.round(runBytes / bytesPerRow));
}

/** What the log needs of `WalSync`. */
export type Settling = Pick<WalSync, 'settle' | 'settleNow' | 'close'>;

export class SyncLog implements CaptureSink {
  readonly epoch: string;
  /** How the file was found when it was opened. */
  readonly fresh: LogFreshness;
  /** Where a damaged file was put, if it had to make way. */
  readonly setAside: string | null;
  readonly #database: Database.Database;
  readonly #statements: Statements;
  readonly #touches: Touches;
  readonly #received: Received;
  readonly #acknowledgements: Acknowledgements;
  readonly #trimming: Trimming;
  readonly #now: () => number | null;
  readonly #stamp: SyncLogOptions['stamp'];
  readonly #isApply: (origin: string) => boolean;
  readonly #listeners = new Set<() => void>();
  readonly #walSync: Settling | null;
  #lsn: number;
  /** The last transaction that is written, and the last that is durable. */
  #writtenSeq: number;
  #lastSeq: number;
  /** Parts logged of a transaction whose last part has not come yet. */
  #openParts: number;
  #acknowledged: number;
  #pendingBytes: number;
  #stirred = 0;
  #full = false;

  /**
   * @param stateDir Folder of the appliance's state; made if missing.
   * @param isApply Whether rows under this origin were written by pull: they are not this campus's own.
   * @throws LogError LOG_TOO_NEW. A damaged file does not throw: see `fresh`.
   */
  static open(
    stateDir: string,
    isApply: (origin: string) => boolean,
    options: Partial<SyncLogOptions> = {},
  ): SyncLog {
    const { now } = { ...systemOptions, ...options };
    const { database, fresh, setAside } = openLogFile(stateDir, new Date(now() ?? 0));
    return new SyncLog(database, isApply, { ...options, fresh, setAside, walSync: new WalSync(database) });
  }

  /**
   * @param database Migrated, see `openFile`.
   * @param options.walSync Left out, what is committed counts as durable.
   * @param options.touchStretch See `Touches`.
   */
  constructor(
    database: Database.Database,
    isApply: (origin: string) => boolean,
    options: Partial<SyncLogOptions> & {
      fresh?: LogFreshness;
      setAside?: string | null;
      walSync?: Settling;
      touchStretch?: number;
    } = {},
  ) {
    const { now, newEpoch, stamp, fresh, setAside, walSync, touchStretch } = { ...systemOptions, ...options };
    this.#database = database;
    this.#isApply = isApply;
    this.#now = now;
    this.#stamp = stamp;
    this.fresh = fresh ?? 'existing';
    this.setAside = setAside ?? null;
    this.#walSync = walSync ?? null;
    this.#statements = prepareStatements(database);
    this.#touches = new Touches(database, touchStretch);
    this.#received = new Received(database);
    this.#acknowledgements = new Acknowledgements(database);
    this.#trimming = new Trimming(database, this.#acknowledgements, this.#touches);
    this.epoch = this.#meta('epoch') ?? this.#setMeta('epoch', newEpoch());
    this.#lsn = Number(this.#meta('lsn') ?? 0);
    this.#walSync?.settleNow();
    this.#lastSeq = Number(this.#meta('lastSeq') ?? 0);
    this.#writtenSeq = this.#lastSeq;
    this.#openParts = Number(this.#meta('openParts') ?? 0);
    this.#acknowledged = Number(this.#meta('acknowledged') ?? 0);
    this.#pendingBytes = this.#bytesBetween(this.#acknowledged, this.#lastSeq);
  }

  /** Of the last transaction that is durable here. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** The last seq that the cloud has said it applied. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The server whose WAL the log was captured from; null for a log that has captured nothing. */
  get server(): ServerIdentity | null {
    const text = this.#meta('server');
    return text === undefined ? null : (JSON.parse(text) as ServerIdentity);
  }

  rememberServer(server: ServerIdentity): void {
    this.#setMeta('server', JSON.stringify(server));
  }

  /** The WAL begins anew, as after a restore of the campus database: positions that were remembered mean nothing. */
  forgetPosition(): void {
    this.#setMeta('lsn', '0');
    this.#lsn = 0;
    // The rest of a transaction that was being logged will not come: what came of it is all that there is.
    if (this.#openParts > 0) this.appendOwn([], (this.#now() ?? 0) * 1000);
    this.#openParts = 0;
    this.#setMeta('openParts', '0');
  }

  /** A transaction that came in parts is not whole yet: nothing may come between its parts. */
  get amidParts(): boolean {
    return this.#openParts > 0;
  }

  /** Everything that committed before this WAL position is in the log. */
  get lsn(): number {
    return this.#lsn;
  }

  /** The oldest transaction that is still here; one more than the last when there is none. */
  get firstSeq(): number {
    return (this.#statements.first.get() as { seq: number | null }).seq ?? this.#lastSeq + 1;
  }

  /** The last append failed because the disk is full. Nothing is lost by it: it was not confirmed to Postgres. */
  get full(): boolean {
    return this.#full;
  }

  async append(transactions: CapturedTransaction[]): Promise<void> {
    this.#write(() => this.#insert(transactions));
    const written = this.#writtenSeq;
    if (this.#walSync) await this.#walSync.settle();
    this.#publish(written);
  }

  /**
   * Logs a transaction that no WAL has: what this campus says of its rows by itself, such as that it has them. Durable when it
   * returns.
   *
   * @param committedAt By this machine's wall clock: now, unless it repeats what was logged before.
   * @param stamp Boot and monotonic time of what is repeated, as far as it has them; left out, those of now.
   * @returns its seq.
   */
  appendOwn(
    changes: readonly Change[],
    committedAt: number,
    stamp: Pick<Transaction, 'boot' | 'mono'> | undefined = this.#stamp?.(committedAt),
  ): number {
    this.#write(() => {
      this.#insertOne({ seq: this.#writtenSeq + 1, committedAt, ...stamp, changes: [...changes] });
      this.#writtenSeq++;
      this.#setMeta('lastSeq', String(this.#writtenSeq));
    });
    this.#walSync?.settleNow();
    this.#publish(this.#writtenSeq);
    return this.#writtenSeq;
  }

  #write(insert: () => void): void {
    this.#stirred++;
    const before = [this.#lsn, this.#writtenSeq, this.#pendingBytes, this.#openParts] as const;
    try {
      this.#database.transaction(insert)();
    } catch (error) {
      // What was rolled back on disk was never here: capture will bring it again.
      [this.#lsn, this.#writtenSeq, this.#pendingBytes, this.#openParts] = before;
      const failure = asLogError(error);
      this.#full = failure instanceof LogError && failure.code === 'LOG_FULL';
      throw failure;
    }
    this.#full = false;
  }

  /** Durable up to `seq`: from now on it may leave this box. */
  #publish(seq: number): void {
    if (seq <= this.#lastSeq) return;
    this.#lastSeq = seq;
    for (const listener of this.#listeners) listener();
  }

  /** Calls back after each append that brought something. @returns a function that ends it. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Transactions after `seq`, up to `maxBytes` or `maxTransactions`, but at least one; null when there is none.
   *
   * @throws LogError LOG_TRIMMED when the one after `seq` is no longer kept.
   */
  read(seq: number, maxBytes: number, maxTransactions: number): LogSlice | null {
    if (seq >= this.#lastSeq) return null;
    this.#mustKeep(seq);
    const lines: string[] = [];
    let bytes = 0;
    const slice = () => ({ lines, bytes, firstSeq: seq + 1, lastSeq: seq + lines.length });
    for (let rowsAtOnce = fewRows; ; rowsAtOnce = rowsFor(bytes / lines.length)) {
      const rows = this.#statements.after.all(seq + lines.length, rowsAtOnce);
      for (const row of rows) {
        if (seq + lines.length >= this.#lastSeq) return slice();
        const isFull = bytes + row.bytes > maxBytes || lines.length >= maxTransactions;
        if (lines.length > 0 && isFull) return slice();
        lines.push(row.body);
        bytes += row.bytes;
      }
      if (rows.length < rowsAtOnce) return slice();
    }
  }

  /**
   * Every transaction after `seq`, acknowledged or not, a slice at a time. The log may be written meanwhile.
   *
   * @throws LogError LOG_TRIMMED
   */
  *transactionsAfter(seq: number): Generator<Transaction, void, void> {
    for (let at = seq; ; ) {
      const slice = this.read(at, readAheadBytes, Number.MAX_SAFE_INTEGER);
      if (!slice) return;
      for (const line of slice.lines) yield JSON.parse(line) as Transaction;
      at = slice.lastSeq;
    }
  }

  /**
   * The cloud has applied everything up to `seq`. Moves forward only: see `rewindAcknowledged`.
   *
   * @throws LogError LOG_ACK_BEYOND_END
   */
  acknowledge(seq: number): void {
    if (seq <= this.#acknowledged) return;
    if (seq > this.#lastSeq) {
      throw new LogError(
        'LOG_ACK_BEYOND_END',
        `The cloud acknowledges transaction ${seq}, but the log ends at ${this.#lastSeq}.`,
      );
    }
    this.#setAcknowledged(seq, () => this.#acknowledgements.note(seq, this.#now()));
  }

  /**
   * The cloud was restored and has this log only up to `seq`: what follows is pending again. A seq that is not behind the
   * acknowledged one changes nothing. Durable when it returns.
   *
   * @throws LogError LOG_TRIMMED when what the cloud lacks is no longer kept; nothing is changed then.
   */
  rewindAcknowledged(seq: number): void {
    if (seq >= this.#acknowledged) return;
    this.#mustKeep(seq);
    this.#setAcknowledged(seq, () => this.#acknowledgements.rewind(seq));
    this.#walSync?.settleNow();
  }

  pending(): PendingSummary {
    const oldest = this.#statements.oldest.get(this.#acknowledged) as { committed_at: number } | undefined;
    return {
      transactions: this.#lastSeq - this.#acknowledged,
      bytes: this.#pendingBytes,
      oldestCommittedAt: oldest?.committed_at ?? null,
    };
  }

  /** What this campus did to the row in transactions with seq > stamp; null when nothing. */
  changesSince(table: string, key: Row, stampSeq: number): OwnChanges | null {
    return this.#touches.since(table, key, stampSeq, this.#writtenSeq);
  }

  /** Forgets which rows were touched up to `seq`: no entry of the feed with an older stamp will come any more. Costs nothing now. */
  forgetTouches(seq: number): void {
    this.#touches.forget(seq);
  }

  /**
   * The cloud was restored: entries with stamps from `afterSeq` on may come again, so what the transactions behind it
   * touched is made from them anew. May be called again. Durable when it returns: the database follows the new epoch after it.
   *
   * @throws LogError LOG_TRIMMED; nothing is changed then.
   */
  rebuildTouches(afterSeq: number): void {
    if (afterSeq < this.#lastSeq) this.#mustKeep(afterSeq);
    this.#touches.remember(afterSeq);
    this.#walSync?.settleNow();
  }

  /** Transactions of which it would first have to be made what they touched, if the follower asked now. */
  get untouched(): number {
    return Math.max(0, this.#writtenSeq - this.#touches.through);
  }

  /** How often somebody wrote or acknowledged something: while it stays the same, the log is left in peace. */
  get stirred(): number {
    return this.#stirred;
  }

  /**
   * A part of what can wait: makes what up to `maxBytes` of transactions touched, or removes up to `maxRows` of what was forgotten.
   *
   * @returns whether there was anything to do.
   */
  touchSlice(maxBytes: number, maxRows: number): boolean {
    return this.#touches.slice(this.#writtenSeq, maxBytes, maxRows);
  }

  /** Keeps feed entries as they came; those that are here already stay as they were. Resolves when they are durable. */
  async keepReceived(pieces: readonly (ReceivedEntry | ReceivedBlock)[]): Promise<void> {
    this.#received.keep(pieces, this.#now());
    await this.#walSync?.settle();
  }

  /** Kept entries of that epoch of the cloud behind `seq`, in order; the first may be further on, if older ones are gone. */
  receivedAfter(epoch: string, seq: number, limit: number): KeptEntry[] {
    return this.#received.after(epoch, seq, limit);
  }

  /** The first entry kept of that epoch of the cloud; null when there is none. */
  firstReceived(epoch: string): number | null {
    return this.#received.first(epoch);
  }

  usage(): LogUsage {
    return this.#trimming.usage(this.#acknowledged);
  }

  /** What is kept but was acknowledged or received at an unknown time counts from now. */
  dateKept(nowMs: number): void {
    this.#trimming.date(this.#acknowledged, nowMs);
  }

  /**
   * Removes transactions that were acknowledged, and entries that were received, up to that time: the oldest `maxRows` of
   * each. Never what is pending. What they touched stays known, as far as somebody asks for it. @returns how many were removed.
   */
  trimSlice(notedByMs: number, maxRows: number): number {
    return this.#trimming.slice(this.#acknowledged, notedByMs, maxRows);
  }

  /** Hands free pages back to the disk. @returns whether there is more to hand back. */
  releaseSlice(maxPages: number): boolean {
    return this.#trimming.release(maxPages);
  }

  close(): void {
    this.#walSync?.close();
    this.#database.close();
  }

  #insert(transactions: CapturedTransaction[]): void {
    for (const captured of transactions) {
      if (captured.endLsn <= this.#lsn) continue;
      const own = captured.origin === null || !this.#isApply(captured.origin);
      if (captured.more) {
        if (own) this.#insertPart(captured);
        continue;
      }
      this.#lsn = captured.endLsn;
      const empty = captured.changes.length === 0 && !captured.truncated && this.#openParts === 0;
      if (empty || !own) continue;
      this.#insertCaptured(captured);
      this.#openParts = 0;
    }
    this.#setMeta('lsn', String(this.#lsn));
    this.#setMeta('lastSeq', String(this.#writtenSeq));
    this.#setMeta('openParts', String(this.#openParts));
  }

  /** The WAL position stays before the transaction until its last part: after a crash its first parts come again. */
  #insertPart(captured: CapturedTransaction): void {
    if ((captured.part ?? 0) < this.#openParts) return;
    this.#insertCaptured(captured);
    this.#openParts++;
  }

  #insertCaptured({ committedAt, changes, more, truncated }: CapturedTransaction): void {
    this.#insertOne({
      seq: this.#writtenSeq + 1,
      committedAt,
      ...this.#stamp?.(committedAt),
      ...(more && { more }),
      ...(truncated && { truncated }),
      changes: changes.map(({ whole: _whole, wholeBefore: _wholeBefore, ...change }) => change),
    });
    this.#writtenSeq++;
  }

  #insertOne(transaction: Transaction): void {
    const body = encodeTransaction(transaction);
    const bytes = Buffer.byteLength(body);
    this.#statements.insert.run(transaction.seq, transaction.committedAt, bytes, body);
    this.#pendingBytes += bytes;
  }

  #setAcknowledged(seq: number, note: () => void): void {
    this.#stirred++;
    this.#database.transaction(() => {
      this.#setMeta('acknowledged', String(seq));
      note();
    })();
    // Of a long backlog only what was acknowledged is summed, not what remains.
    if (seq > this.#acknowledged) this.#pendingBytes -= this.#bytesBetween(this.#acknowledged, seq);
    else this.#pendingBytes += this.#bytesBetween(seq, this.#acknowledged);
    this.#acknowledged = seq;
  }

  #bytesBetween(after: number, upTo: number): number {
    return (this.#statements.bytesBetween.get(after, upTo) as { bytes: number }).bytes;
  }

  #mustKeep(seq: number): void {
    const first = this.firstSeq;
    if (seq + 1 < first)
      throw new LogError(
        'LOG_TRIMMED',
        `Transaction ${seq + 1} is no longer kept; the log begins at ${first}.`,
      );
  }

  #meta(name: string): string | undefined {
    return (this.#statements.getMeta.get(name) as { value: string } | undefined)?.value;
  }

  #setMeta(name: string, value: string): string {
    this.#statements.setMeta.run(name, value);
    return value;
  }
}
