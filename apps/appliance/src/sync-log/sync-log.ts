/**
 * The sync log: every transaction of this campus, in order, in a SQLite file, durable before Postgres is told that it was
 * read. It is drained towards the cloud by push, and asked by pull which rows this campus changed since a stamp.
 *
 * In one SQLite transaction per batch: the transactions, the rows they touch, and the WAL position. A batch that is
 * captured again after a crash is recognised by that position. It does not promise that a transaction is still here once
 * the cloud has acknowledged it.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CapturedTransaction,
  type CaptureSink,
  type Change,
  encodeTransaction,
  type OwnChanges,
  type Row,
  rowId,
} from '@skooly-edge/sync-protocol';
import Database from 'better-sqlite3';

export interface PendingSummary {
  transactions: number;
  bytes: number;
  /** Commit time of the oldest, microseconds since 1970-01-01; null when nothing is pending. */
  oldestCommittedAt: number | null;
}

export interface LogSlice {
  lines: string[];
  /** Of the lines, before compression. */
  bytes: number;
  firstSeq: number;
  lastSeq: number;
}

const schema = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS txn (
    seq INTEGER PRIMARY KEY,
    committed_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS touch (
    row_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    op TEXT NOT NULL,
    columns TEXT,
    place INTEGER NOT NULL,
    PRIMARY KEY (row_id, seq, place)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS touch_by_seq ON touch (seq);
`;

export class SyncLog implements CaptureSink {
  readonly epoch: string;
  readonly #database: Database.Database;
  readonly #statements: Statements;
  #lsn: number;
  #lastSeq: number;
  #acknowledged: number;
  #pendingBytes: number;
  readonly #listeners = new Set<() => void>();
  readonly #isApply: (origin: string) => boolean;

  /**
   * @param stateDir Folder of the appliance's state; made if missing.
   * @param isApply Whether rows under this origin were written by pull: they are not this campus's own.
   */
  static open(stateDir: string, isApply: (origin: string) => boolean): SyncLog {
    mkdirSync(stateDir, { recursive: true });
    const database = new Database(join(stateDir, 'sync-log.sqlite'));
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.exec(schema);
    return new SyncLog(database, isApply);
  }

  constructor(database: Database.Database, isApply: (origin: string) => boolean) {
    this.#database = database;
    this.#isApply = isApply;
    this.#statements = prepareStatements(database);
    this.epoch = this.#meta('epoch') ?? this.#setMeta('epoch', randomUUID());
    this.#lsn = Number(this.#meta('lsn') ?? 0);
    this.#lastSeq = Number(this.#meta('lastSeq') ?? 0);
    this.#acknowledged = Number(this.#meta('acknowledged') ?? 0);
    this.#pendingBytes = (this.#statements.pendingBytes.get(this.#acknowledged) as { bytes: number }).bytes;
  }

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** The last seq that the cloud has said it applied. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Everything that committed before this WAL position is in the log. */
  get lsn(): number {
    return this.#lsn;
  }

  append(transactions: CapturedTransaction[]): void {
    const before = [this.#lsn, this.#lastSeq, this.#pendingBytes] as const;
    try {
      this.#database.transaction(() => this.#insert(transactions))();
    } catch (error) {
      // What was rolled back on disk was never here: capture will bring it again.
      [this.#lsn, this.#lastSeq, this.#pendingBytes] = before;
      throw error;
    }
    if (this.#lastSeq > before[1]) for (const listener of this.#listeners) listener();
  }

  /** Calls back after each append that brought something. @returns a function that ends it. */
  onAppend(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Transactions after `seq`, up to `maxBytes` or `maxTransactions`, but at least one; null when there is none. */
  read(seq: number, maxBytes: number, maxTransactions: number): LogSlice | null {
    const lines: string[] = [];
    let bytes = 0;
    for (const row of this.#statements.after.iterate(seq) as Iterable<{ bytes: number; body: string }>) {
      if (lines.length > 0 && (bytes + row.bytes > maxBytes || lines.length >= maxTransactions)) break;
      lines.push(row.body);
      bytes += row.bytes;
    }
    return lines.length === 0 ? null : { lines, bytes, firstSeq: seq + 1, lastSeq: seq + lines.length };
  }

  /** The cloud has applied everything up to `seq`. Moves forward only. */
  acknowledge(seq: number): void {
    if (seq <= this.#acknowledged) return;
    if (seq > this.#lastSeq)
      throw new Error(`the cloud acknowledges ${seq}, the log ends at ${this.#lastSeq}`);
    this.#setMeta('acknowledged', String(seq));
    this.#acknowledged = seq;
    this.#pendingBytes = (this.#statements.pendingBytes.get(seq) as { bytes: number }).bytes;
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
    const touches = this.#statements.touches.all(rowId(table, key), stampSeq) as {
      op: Change['op'];
      columns: string | null;
    }[];
    const last = touches.at(-1);
    if (!last) return null;
    const deleted = last.op === 'delete';
    if (touches.some((touch) => touch.columns === null)) return { columns: 'all', deleted };
    return {
      columns: new Set(touches.flatMap((touch) => JSON.parse(touch.columns as string) as string[])),
      deleted,
    };
  }

  /** Forgets which rows were touched up to `seq`: no entry of the feed with an older stamp will come any more. */
  forgetTouches(seq: number): void {
    this.#statements.forget.run(seq);
  }

  close(): void {
    this.#database.close();
  }

  #insert(transactions: CapturedTransaction[]): void {
    for (const captured of transactions) {
      if (captured.endLsn <= this.#lsn) continue;
      this.#lsn = captured.endLsn;
      if (captured.changes.length === 0 || (captured.origin !== null && this.#isApply(captured.origin)))
        continue;
      this.#insertOne(captured, this.#lastSeq + 1);
      this.#lastSeq++;
    }
    this.#setMeta('lsn', String(this.#lsn));
    this.#setMeta('lastSeq', String(this.#lastSeq));
  }

  #insertOne(captured: CapturedTransaction, seq: number): void {
    const changes = captured.changes.map(({ whole: _whole, wholeBefore: _wholeBefore, ...change }) => change);
    const body = encodeTransaction({ seq, committedAt: captured.committedAt, changes });
    const bytes = Buffer.byteLength(body);
    this.#statements.insert.run(seq, captured.committedAt, bytes, body);
    for (const [place, change] of changes.entries()) {
      const columns = change.op === 'update' ? JSON.stringify(Object.keys(change.after ?? {})) : null;
      this.#statements.touch.run(rowId(change.table, change.key), seq, change.op, columns, place);
    }
    this.#pendingBytes += bytes;
  }

  #meta(name: string): string | undefined {
    return (this.#statements.getMeta.get(name) as { value: string } | undefined)?.value;
  }

  #setMeta(name: string, value: string): string {
    this.#statements.setMeta.run(name, value);
    return value;
  }
}

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: Database.Database) {
  return {
    getMeta: database.prepare('SELECT value FROM meta WHERE name = ?'),
    setMeta: database.prepare(
      'INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
    insert: database.prepare('INSERT INTO txn (seq, committed_at, bytes, body) VALUES (?, ?, ?, ?)'),
    touch: database.prepare('INSERT INTO touch (row_id, seq, op, columns, place) VALUES (?, ?, ?, ?, ?)'),
    after: database.prepare('SELECT bytes, body FROM txn WHERE seq > ? ORDER BY seq'),
    oldest: database.prepare('SELECT committed_at FROM txn WHERE seq > ? ORDER BY seq LIMIT 1'),
    pendingBytes: database.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM txn WHERE seq > ?'),
    touches: database.prepare(
      'SELECT op, columns FROM touch WHERE row_id = ? AND seq > ? ORDER BY seq, place',
    ),
    forget: database.prepare('DELETE FROM touch WHERE seq <= ?'),
  };
}
