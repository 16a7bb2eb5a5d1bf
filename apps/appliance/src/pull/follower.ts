/**
 * The follower applies entries of the cloud's feed to the campus's database, in order, cursor and rows in one commit.
 *
 * For each group: lock the rows, wait until capture has passed every local commit (milliseconds), ask the log what this
 * campus changed after each entry's stamp, decide column by column, write. An entry that cannot be applied because of
 * rows that this campus has pending is parked, later entries for the same rows wait behind it, and all are tried again
 * after every group.
 */
import {
  BrokenReferenceError,
  type Catalog,
  type Change,
  type Correction,
  dateTransaction,
  type FeedEntry,
  type FollowResult,
  followChange,
  followCorrection,
  OriginsBusyError,
  postgresRows,
  type Row,
  RowImages,
  RowsMovedError,
  rowId,
  sessionConfig,
  takeOrigin,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';
import type { SyncLog } from '../sync-log/sync-log.ts';
import { ParkedEntries } from './parked-entries.ts';

export interface FollowerOptions {
  databaseUrl: string;
  catalog: Catalog;
  log: SyncLog;
  /** Resolves when every local commit before the call is in the log. */
  captured(signal: AbortSignal): Promise<void>;
  logger: Logger;
}

/** How long capture may take to pass a local commit before the group is begun anew. */
const capturedTimeoutMs = 10_000;

/** How often a group is begun anew because of local writers before the error is handed on. */
const maxRestarts = 20;

/** Local users go first: the follower's own session notices a deadlock early and gives way. */
const deadlockTimeout = '100ms';

export class Follower {
  readonly #options: FollowerOptions;
  #client: Client | null = null;
  readonly #parked = new ParkedEntries();

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  get parked(): number {
    return this.#parked.size;
  }

  /**
   * Applies entries that follow the cursor without a gap. May be called again after a failure with the same entries: those
   * behind the cursor are left out.
   */
  async apply(entries: readonly FeedEntry[], signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        const client = await this.#session();
        await this.#applyGroup(client, entries, signal);
        return;
      } catch (error) {
        await this.#undo();
        signal.throwIfAborted();
        if (attempt >= maxRestarts || !isRestartable(error)) throw error;
      }
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  async #applyGroup(client: Client, entries: readonly FeedEntry[], signal: AbortSignal): Promise<void> {
    await client.query('BEGIN');
    const { rows } = await client.query<{ seq: string }>('SELECT seq FROM sync.cursor FOR UPDATE');
    const cursor = Number(rows[0]?.seq);
    const fresh = entries.filter((entry) => entry.seq > cursor);
    const last = fresh.at(-1);
    if (!last) {
      await client.query('ROLLBACK');
      return;
    }
    if (fresh[0]?.seq !== cursor + 1) throw new Error(`the feed skips from ${cursor} to ${fresh[0]?.seq}`);
    await dateTransaction(client, last.committedAt);
    await this.#parked.load(client);
    await this.#applyEntries(client, fresh, signal);
    await this.#retryParked(client, signal);
    await client.query(
      `UPDATE sync.cursor SET seq = $1, stamp_epoch = $2, stamp_seq = $3, moved_at = clock_timestamp()`,
      [last.seq, last.stamp.epoch, last.stamp.seq],
    );
    await client.query('COMMIT');
    this.#forget(last);
  }

  /** All at once if nothing stands in the way, otherwise one by one, parking what cannot be applied. */
  async #applyEntries(client: Client, entries: readonly FeedEntry[], signal: AbortSignal): Promise<void> {
    if (!entries.some((entry) => this.#parked.blocks(rowsOf(entry)))) {
      if (await this.#tryApply(client, entries, signal)) return;
    }
    for (const entry of entries) {
      if (this.#parked.blocks(rowsOf(entry))) {
        await this.#parked.add(client, entry, rowsOf(entry), 'waits', 'waits for an earlier entry');
        continue;
      }
      await this.#tryApply(client, [entry], signal, async (error) => {
        await this.#parked.add(
          client,
          entry,
          rowsOf(entry),
          parkedKind(error) ?? 'unknown',
          (error as Error).message,
        );
      });
    }
  }

  async #retryParked(client: Client, signal: AbortSignal): Promise<void> {
    for (let progress = true; progress && this.#parked.size > 0; ) {
      progress = false;
      const before = new Set<string>();
      for (const { entry, rows } of this.#parked.inOrder()) {
        const waits = rows.some((row) => before.has(row));
        if (!waits && (await this.#tryApply(client, [entry], signal))) {
          await this.#parked.remove(client, entry.seq);
          progress = true;
        } else for (const row of rows) before.add(row);
      }
    }
    await this.#retryTogether(client, signal);
  }

  /**
   * Entries can wait for one another in a circle: one needs a value that a later one frees, which waits behind it for a row
   * that both touch. Once this campus's own rows are judged, all of them together are a state that the cloud has had.
   */
  async #retryTogether(client: Client, signal: AbortSignal): Promise<void> {
    const entries = this.#parked.inOrder().map(({ entry }) => entry);
    if (entries.length < 2 || !(await this.#tryApply(client, entries, signal))) return;
    for (const { seq } of entries) await this.#parked.remove(client, seq);
  }

  /** @returns whether it was applied; if not, nothing of it was, and `onRefusal` has been called. */
  async #tryApply(
    client: Client,
    entries: readonly FeedEntry[],
    signal: AbortSignal,
    onRefusal: (error: unknown) => Promise<void> = async () => {},
  ): Promise<boolean> {
    await client.query('SAVEPOINT entries');
    try {
      await this.#write(client, entries, signal);
      await client.query('RELEASE SAVEPOINT entries');
      return true;
    } catch (error) {
      if (parkedKind(error) === null) throw error;
      await client.query('ROLLBACK TO SAVEPOINT entries');
      await onRefusal(error);
      return false;
    }
  }

  async #write(client: Client, entries: readonly FeedEntry[], signal: AbortSignal): Promise<void> {
    const { catalog, log, captured } = this.#options;
    const images = new RowImages(postgresRows(client, catalog), catalog);
    const known = (item: { table: string }) => catalog.tables.has(item.table);
    await images.load(entries.flatMap((entry) => [...entry.changes, ...entry.corrections].filter(known)));
    await captured(AbortSignal.any([signal, AbortSignal.timeout(capturedTimeoutMs)]));
    for (const entry of entries) {
      const own = (table: string, key: Row) => log.changesSince(table, key, stampHere(entry, log));
      for (const change of entry.changes.filter(known)) {
        const current = images.get(change.table, change.key);
        this.#put(images, entry, change, followChange(change, current, own(change.table, change.key)));
      }
      for (const correction of entry.corrections.filter(known)) {
        const current = images.get(correction.table, correction.key);
        this.#put(
          images,
          entry,
          correction,
          followCorrection(correction, current, own(correction.table, correction.key)),
        );
      }
    }
    await images.flush();
  }

  #put(images: RowImages, entry: FeedEntry, item: Change | Correction, result: FollowResult): void {
    if (result.kind === 'row') images.set(item.table, item.key, result.row);
    else
      this.#options.logger.warn(
        { table: item.table, key: item.key, seq: entry.seq },
        'the feed changes a row that is not here',
      );
  }

  /** Stamps only grow, so that what the oldest entry still to come could ask for bounds what has to be remembered. */
  #forget(last: FeedEntry): void {
    const { log } = this.#options;
    const oldestParked = this.#parked.inOrder()[0]?.entry;
    log.forgetTouches(
      Math.min(stampHere(last, log), oldestParked ? stampHere(oldestParked, log) : Number.MAX_SAFE_INTEGER),
    );
  }

  async #session(): Promise<Client> {
    if (this.#client) return this.#client;
    const { databaseUrl, logger } = this.#options;
    const client = new Client(
      sessionConfig(databaseUrl, {
        applicationName: 'skooly-edge pull',
        settings: { session_replication_role: 'replica', deadlock_timeout: deadlockTimeout },
      }),
    );
    client.on('error', (error) => {
      logger.warn({ err: error }, 'the database connection of pull broke');
      if (this.#client === client) this.#client = null;
    });
    await client.connect();
    await takeOrigin(client, databaseUrl);
    this.#client = client;
    return client;
  }

  async #undo(): Promise<void> {
    this.#parked.unload();
    try {
      await this.#client?.query('ROLLBACK');
    } catch {
      await this.close();
    }
  }
}

/** A stamp of another epoch of the log speaks of transactions that this log never had. */
function stampHere(entry: FeedEntry, log: SyncLog): number {
  return entry.stamp.epoch === log.epoch ? entry.stamp.seq : 0;
}

function rowsOf(entry: FeedEntry): string[] {
  return [...entry.changes, ...entry.corrections].map((item) => rowId(item.table, item.key));
}

/** Why the entry has to wait; null when the error says nothing about the entry. */
function parkedKind(error: unknown): string | null {
  if (error instanceof BrokenReferenceError) return error.problem.kind;
  const { code = '' } = error as { code?: string };
  if (code === '23505') return 'unique_clash';
  return code.startsWith('23') || code.startsWith('22') ? 'check_violated' : null;
}

/** 40P01: deadlock broken, 40001: serialization. */
function isRestartable(error: unknown): boolean {
  if (error instanceof RowsMovedError || error instanceof OriginsBusyError) return true;
  return ['40P01', '40001'].includes((error as { code?: string }).code ?? '');
}
