/**
 * Ingest applies what a campus pushes, in one commit of the cloud: lock the campus's cursor, leave out what is applied
 * already, merge the rest, write rows, conflicts and corrections, move the cursor, commit. That the cursor moves in
 * the same commit is the whole of exactly-once.
 *
 * First the batch is tried as one group. If anything in it cannot be applied, the group is undone and its transactions
 * are applied one by one, each whole or parked. It does not promise that a batch that was not answered was not
 * applied: the sender asks for the cursor.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Batch,
  type Catalog,
  dateTransaction,
  OriginsBusyError,
  RowsMovedError,
  rowId,
  sessionConfig,
  type Transaction,
  takeOrigin,
} from '@skooly-edge/sync-protocol';
import { Pool, type PoolClient } from 'pg';
import { RelayError } from '../errors.ts';
import { waitForFeed } from '../feed/feed-position.ts';
import { applyGroup } from './apply-group.ts';
import type { IngestContext } from './ingest-context.ts';
import { Outcome } from './outcome.ts';
import { park, parkedCount, waitingRows } from './park.ts';
import { refusalOf, touchesAny } from './refusal.ts';

export interface Cursor {
  epoch: string;
  seq: number;
}

export interface PushResult {
  cursor: Cursor;
  /** Conflicts recorded by this push. */
  conflicts: number;
  /** Transactions of the campus that are parked in all. */
  parked: number;
}

export interface IngestOptions {
  databaseUrl: string;
  /** Connections for short questions, apart from those that apply. */
  queries: Pool;
  catalog: Catalog;
  /** Connections that apply at once. */
  maxSessions: number;
}

/** A push waits this long for a free session before it is told to come again. */
const sessionWaitMs = 10_000;

/** How long a conflict waits for the feed writer before the row's own timestamp has to do. */
const feedPatienceMs = 5_000;

/** How often a group is begun anew because another session inserted one of its rows, or a deadlock was broken. */
const maxRestarts = 5;

export class Ingest {
  readonly #options: IngestOptions;
  readonly #pool: Pool;
  readonly #withOrigin = new WeakSet<PoolClient>();

  constructor(options: IngestOptions) {
    this.#options = options;
    this.#pool = new Pool({
      ...sessionConfig(options.databaseUrl, {
        applicationName: 'skooly-relay ingest',
        settings: { session_replication_role: 'replica' },
      }),
      max: options.maxSessions,
      connectionTimeoutMillis: sessionWaitMs,
      idleTimeoutMillis: 30_000,
    });
    this.#pool.on('error', () => {});
  }

  /** @throws RelayError SEQ_GAP when transactions between the cursor and the batch are missing. */
  async push(campus: string, batch: Batch): Promise<PushResult> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#session();
      let reusable = true;
      try {
        return await this.#pushOnce(client, campus, batch);
      } catch (error) {
        reusable = await rollback(client);
        if (attempt >= maxRestarts || !isRestartable(error)) throw error;
      } finally {
        client.release(!reusable);
      }
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #session(): Promise<PoolClient> {
    const deadline = Date.now() + sessionWaitMs;
    for (;;) {
      const client = await this.#pool.connect();
      if (this.#withOrigin.has(client)) return client;
      try {
        await takeOrigin(client, this.#options.databaseUrl);
        this.#withOrigin.add(client);
        return client;
      } catch (error) {
        client.release(true);
        if (!(error instanceof OriginsBusyError) || Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }

  async #pushOnce(client: PoolClient, campus: string, batch: Batch): Promise<PushResult> {
    await client.query('BEGIN');
    const cursor = await lockCursor(client, campus, batch.epoch);
    const fresh = batch.transactions.filter((transaction) => transaction.seq > cursor.seq);
    const first = fresh[0];
    const last = fresh.at(-1);
    if (!first || !last) {
      await client.query('ROLLBACK');
      return { cursor, conflicts: 0, parked: await parkedCount(client, campus) };
    }
    if (first.seq !== cursor.seq + 1) {
      throw new RelayError(
        'SEQ_GAP',
        `The batch begins with ${first.seq}; the cursor stands at ${cursor.seq}.`,
        { cursor },
      );
    }
    await dateTransaction(client, last.committedAt);
    const outcome = await this.#apply(client, this.#context(campus, batch.epoch), fresh);
    await outcome.write(client, last.seq);
    await client.query(
      'UPDATE sync.cursor SET seq = $3, moved_at = clock_timestamp() WHERE campus = $1 AND epoch = $2',
      [campus, batch.epoch, last.seq],
    );
    const parked = await parkedCount(client, campus);
    await client.query('COMMIT');
    return { cursor: { epoch: batch.epoch, seq: last.seq }, conflicts: outcome.conflicts, parked };
  }

  #context(campus: string, epoch: string): IngestContext {
    const waitForFeedHere = () => waitForFeed(this.#options.queries, feedPatienceMs);
    return { campus, epoch, catalog: this.#options.catalog, waitForFeed: waitForFeedHere };
  }

  async #apply(client: PoolClient, context: IngestContext, transactions: Transaction[]): Promise<Outcome> {
    const waiting = await waitingRows(client, context.campus);
    if (!transactions.some((transaction) => touchesAny(transaction, waiting))) {
      await client.query('SAVEPOINT whole_group');
      try {
        const outcome = new Outcome(context);
        await applyGroup(client, context, transactions, outcome);
        return outcome;
      } catch (error) {
        if (!refusalOf(error)) throw error;
        await client.query('ROLLBACK TO SAVEPOINT whole_group');
      }
    }
    return this.#applyOneByOne(client, context, transactions, waiting);
  }

  async #applyOneByOne(
    client: PoolClient,
    context: IngestContext,
    transactions: Transaction[],
    waiting: Map<string, string>,
  ): Promise<Outcome> {
    const outcome = new Outcome(context);
    for (const transaction of transactions) {
      const blocker = touchesAny(transaction, waiting);
      if (blocker) {
        await park(
          client,
          context,
          transaction,
          { kind: blocker, detail: 'waits for an earlier transaction' },
          outcome,
        );
        addWaiting(waiting, transaction, blocker);
        continue;
      }
      await client.query('SAVEPOINT one');
      try {
        const own = new Outcome(context);
        await applyGroup(client, context, [transaction], own);
        await client.query('RELEASE SAVEPOINT one');
        outcome.add(own);
      } catch (error) {
        const refusal = refusalOf(error);
        if (!refusal) throw error;
        await client.query('ROLLBACK TO SAVEPOINT one');
        await park(client, context, transaction, refusal, outcome);
        addWaiting(waiting, transaction, refusal.kind);
      }
    }
    return outcome;
  }
}

async function lockCursor(client: PoolClient, campus: string, epoch: string): Promise<Cursor> {
  await client.query(
    'INSERT INTO sync.cursor (campus, epoch, seq) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING',
    [campus, epoch],
  );
  const { rows } = await client.query<{ seq: string }>(
    'SELECT seq FROM sync.cursor WHERE campus = $1 AND epoch = $2 FOR UPDATE',
    [campus, epoch],
  );
  return { epoch, seq: Number(rows[0]?.seq ?? 0) };
}

function addWaiting(waiting: Map<string, string>, transaction: Transaction, kind: string): void {
  for (const row of touchesRows(transaction)) waiting.set(row, kind);
}

function* touchesRows(transaction: Transaction): Generator<string> {
  for (const change of transaction.changes) yield rowId(change.table, change.key);
}

/** @returns whether the session can be used again. */
async function rollback(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}

/** 40P01: deadlock broken, 40001: serialization. */
function isRestartable(error: unknown): boolean {
  return (
    error instanceof RowsMovedError || ['40P01', '40001'].includes((error as { code?: string }).code ?? '')
  );
}
