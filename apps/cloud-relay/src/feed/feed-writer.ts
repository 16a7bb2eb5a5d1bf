/**
 * Writes `sync.feed`: one row per commit of the cloud and campus that it concerns, in commit order.
 *
 * Of all relays on a database one is elected by an advisory lock; the others stand by and try again each second. Feed
 * rows, stamps and the WAL position are written in one transaction: after a crash, WAL that is read again is recognised
 * by its position.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Capture,
  type CapturedTransaction,
  type Catalog,
  isApplyOrigin,
  type LiveCatalog,
  quoteName,
  quoteTable,
  readRows,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';
import { ensureEpoch } from '../restore/epoch.ts';
import type { FeedSeal } from '../restore/feed-seal.ts';
import { FeedBuilder } from './feed-builder.ts';
import { FeedStore, readFeedState } from './feed-store.ts';
import { ownRows } from './own-rows.ts';
import { learnOwners, noOwners, type Owners, type RowReader } from './owners.ts';

/** Advisory lock of the elected feed writer: "edge" in ASCII, and 1. */
const writerLock = [0x65646765, 1];

const electionIntervalMs = 1_000;
const restartDelayMs = 500;

/** A commit becomes visible within microseconds; with a synchronous standby, once that has it. */
const visiblePollMs = 2;

/** Of what was captured before these, everything is visible. */
const maxUnseen = 5_000;

export interface FeedWriterOptions {
  databaseUrl: string;
  catalog: LiveCatalog;
  logger: Logger;
  seal: FeedSeal;
  /** Commits of the cloud are in the feed. */
  onCommits(transactions: readonly CapturedTransaction[]): void;
}

export class FeedWriter {
  readonly #options: FeedWriterOptions;
  #elected = false;
  #capture: Capture | null = null;

  constructor(options: FeedWriterOptions) {
    this.#options = options;
  }

  /** Whether this relay is the one that writes. */
  get elected(): boolean {
    return this.#elected;
  }

  /** Reads no commits until `resume`, or until it is elected anew. */
  pause(): void {
    this.#capture?.pause();
  }

  resume(): void {
    this.#capture?.resume();
  }

  /** Runs until the signal aborts; a failure is logged and followed by a new election. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#term(signal);
      } catch (error) {
        if (!signal.aborted) this.#options.logger.warn({ err: error }, 'feed writer stopped, starts again');
      }
      this.#elected = false;
      await sleep(restartDelayMs, undefined, { signal }).catch(() => {});
    }
  }

  /** From election to the loss of the connection that holds the lock. */
  async #term(signal: AbortSignal): Promise<void> {
    const { databaseUrl, logger } = this.#options;
    const client = new Client(sessionConfig(databaseUrl, { applicationName: 'skooly-relay feed writer' }));
    const lost = new AbortController();
    client.on('error', (error) => lost.abort(error));
    await client.connect();
    try {
      while (!(await tryLock(client))) await sleep(electionIntervalMs, undefined, { signal });
      this.#elected = true;
      logger.info('elected to write the feed');
      const { catalog, onCommits, seal } = this.#options;
      const { epoch, begun } = await ensureEpoch(client, databaseUrl);
      if (begun) logger.warn({ epoch }, 'the database was restored: a new epoch begins');
      const builder = new FeedBuilder({
        catalog,
        isApply: isApplyOrigin(databaseUrl),
        ...(await readFeedState(client)),
        epoch,
        seal: (entry) => seal.seal(entry),
      });
      const store = new FeedStore(client);
      const unseen: number[] = [];
      const reader = seeing(rowReader(client), () => untilVisible(client, unseen));
      const capture = new Capture({
        connectionString: databaseUrl,
        applicationName: 'skooly-relay capture',
        sink: {
          async append(transactions) {
            for (const { xid } of transactions) if (xid !== undefined) unseen.push(xid);
            unseen.splice(0, unseen.length - maxUnseen);
            for (const run of runs(transactions)) {
              const owners = new Map<CapturedTransaction, Owners>();
              for (const transaction of run)
                owners.set(transaction, await learnOwners(transaction, catalog.current, reader));
              const commit = builder.build(run, (transaction) => owners.get(transaction) ?? noOwners);
              if (commit) await store.write(commit);
            }
            onCommits(transactions);
          },
        },
        skipOrigin: () => false,
        passOver: (head) => ownRows(head, isApplyOrigin(databaseUrl), catalog),
        table: (name) => captureTable(catalog.current, name),
      });
      this.#capture = capture;
      await capture.run(AbortSignal.any([signal, lost.signal]));
    } finally {
      this.#capture = null;
      await client.end().catch(() => {});
    }
  }
}

function captureTable(catalog: Catalog, name: string) {
  const table = catalog.tables.get(name);
  if (!table) throw new Error(`the publication has ${name}, which the sync map does not name`);
  return { keyColumns: table.keyColumns, by: table.rule.by };
}

/** Whole transactions together; a part of one, and its end, by itself. */
function* runs(transactions: CapturedTransaction[]): Generator<CapturedTransaction[]> {
  let run: CapturedTransaction[] = [];
  for (const transaction of transactions) {
    if (transaction.part === undefined) run.push(transaction);
    else {
      if (run.length > 0) yield run;
      run = [];
      yield [transaction];
    }
  }
  if (run.length > 0) yield run;
}

function rowReader(client: Client): RowReader {
  return {
    byKey: (table, keys) => readRows(client, table, keys),
    async byColumn(table, column, value) {
      const { rows } = await client.query<(string | null)[]>({
        text: `SELECT ${table.columnNames.map(quoteName).join(', ')} FROM ${quoteTable(table.name)}
               WHERE ${quoteName(column)} = $1`,
        values: [value],
        rowMode: 'array',
      });
      return rows.map((cells) =>
        Object.fromEntries(table.columnNames.map((name, i) => [name, cells[i] ?? null])),
      );
    },
  };
}

function seeing(reader: RowReader, visible: () => Promise<void>): RowReader {
  return {
    byKey: (...question) => visible().then(() => reader.byKey(...question)),
    byColumn: (...question) => visible().then(() => reader.byColumn(...question)),
  };
}

/** A transaction holds the lock on its own id until others see what it has committed. Empties `xids`. */
async function untilVisible(client: Client, xids: number[]): Promise<void> {
  while (xids.length > 0) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_locks WHERE locktype = 'transactionid' AND transactionid = ANY ($1::text[]::xid[])`,
      [xids],
    );
    if (rowCount === 0) xids.length = 0;
    else await sleep(visiblePollMs);
  }
}

async function tryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: string }>(
    'SELECT pg_try_advisory_lock($1, $2) AS locked',
    writerLock,
  );
  return rows[0]?.locked === 't';
}
