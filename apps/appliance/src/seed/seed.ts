/**
 * The first copy: an empty campus database is filled from the relay, table by table, chunk by chunk, each chunk and how far
 * it came in one commit. A cut or a crash goes on where it stopped.
 *
 * The copy becomes consistent when the feed has been read from where the copy began to where it ended (`seededUntil`);
 * until then the box is not ready. It refuses a database that already holds rows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  dateTransaction,
  insertRows,
  keyOf,
  type LiveCatalog,
  quoteTable,
  type Row,
  sessionConfig,
  takeOrigin,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';
import type { RelayClient } from '../relay-client/relay-client.ts';

export interface SeedProgress {
  table: string;
  tablesDone: number;
  tablesTotal: number;
  rows: number;
}

export interface SeedOptions {
  databaseUrl: string;
  catalog: LiveCatalog;
  relay: RelayClient;
  logger: Logger;
}

const retryDelayMs = 1_000;

export class NotEmptyError extends Error {
  readonly code = 'DATABASE_NOT_EMPTY';
  readonly advice = 'Begin with an empty database, so that nothing that stands there is overwritten.';

  constructor(table: string) {
    super(`The campus database cannot be given its first copy: ${table} already holds rows.`);
    this.name = 'NotEmptyError';
  }
}

export class Seed {
  readonly #options: SeedOptions;
  #progress: SeedProgress | null = null;

  constructor(options: SeedOptions) {
    this.#options = options;
  }

  /** Null when no copy is under way. */
  get progress(): SeedProgress | null {
    return this.#progress;
  }

  /** Returns when the database has its copy; at once if it has. Tries again after any failure but a full database. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#copy(signal);
        return;
      } catch (error) {
        if (error instanceof NotEmptyError) throw error;
        if (!signal.aborted)
          this.#options.logger.warn({ err: error }, 'the first copy stopped, goes on shortly');
      }
      await sleep(retryDelayMs, undefined, { signal }).catch(() => {});
    }
  }

  async #copy(signal: AbortSignal): Promise<void> {
    const client = await this.#connect();
    try {
      const { rowCount } = await client.query('SELECT FROM sync.cursor');
      if (rowCount) return;
      const begun = await this.#begin(client, signal);
      const names = [...this.#options.catalog.current.tables.keys()];
      for (const [index, name] of names.entries()) {
        if (begun.tablesDone.includes(name)) continue;
        const after = name === begun.table ? begun.after : null;
        await this.#copyTable(client, name, after, signal, {
          tablesDone: index,
          tablesTotal: names.length,
          rows: begun.rows,
        });
        begun.rows = this.#progress?.rows ?? begun.rows;
      }
      await this.#finish(client, begun, signal);
    } finally {
      this.#progress = null;
      await client.end().catch(() => {});
    }
  }

  async #connect(): Promise<Client> {
    const { databaseUrl, logger } = this.#options;
    const settings = { session_replication_role: 'replica' };
    const client = new Client(sessionConfig(databaseUrl, { applicationName: 'skooly-edge seed', settings }));
    client.on('error', (error) =>
      logger.warn({ err: error }, 'the database connection of the first copy broke'),
    );
    await client.connect();
    await takeOrigin(client, databaseUrl);
    return client;
  }

  async #begin(client: Client, signal: AbortSignal): Promise<BegunSeed> {
    const stored = await client.query<Record<string, string | null>>(
      'SELECT epoch, feed_seq, table_name, after_key, rows_done, to_json(tables_done) AS tables_done FROM sync.seed',
    );
    const row = stored.rows[0];
    if (row) {
      return {
        epoch: row.epoch as string,
        feedSeq: Number(row.feed_seq),
        table: row.table_name ?? null,
        after: row.after_key == null ? null : JSON.parse(row.after_key),
        rows: Number(row.rows_done),
        tablesDone: JSON.parse(row.tables_done ?? '[]'),
      };
    }
    await this.#refuseRows(client);
    const { epoch, feedSeq } = await this.#options.relay.beginSeed(signal);
    await client.query('INSERT INTO sync.seed (epoch, feed_seq) VALUES ($1, $2)', [epoch, feedSeq]);
    return { epoch, feedSeq, table: null, after: null, rows: 0, tablesDone: [] };
  }

  async #refuseRows(client: Client): Promise<void> {
    for (const name of this.#options.catalog.current.tables.keys()) {
      const { rowCount } = await client.query(`SELECT FROM ${quoteTable(name)} LIMIT 1`);
      if (rowCount) throw new NotEmptyError(name);
    }
  }

  async #copyTable(
    client: Client,
    name: string,
    start: Row | null,
    signal: AbortSignal,
    progress: Omit<SeedProgress, 'table'>,
  ): Promise<void> {
    const table = this.#options.catalog.current.tables.get(name);
    if (!table) return;
    let after = start;
    let { rows } = progress;
    for (let last = false; !last; ) {
      this.#progress = { ...progress, table: name, rows };
      const chunk = await this.#options.relay.seedRows(name, after, signal);
      const lastRow = chunk.rows.at(-1);
      after = lastRow ? keyOf(lastRow, table.keyColumns) : after;
      last = chunk.last;
      rows += chunk.rows.length;
      await client.query('BEGIN');
      await dateTransaction(client, Date.now() * 1000);
      if (lastRow) await insertRows(client, table, Object.keys(lastRow), chunk.rows);
      await client.query(
        `UPDATE sync.seed SET table_name = $1, after_key = $2, rows_done = $3,
                              tables_done = CASE WHEN $4::boolean THEN array_append(tables_done, $1) ELSE tables_done END`,
        [name, after && JSON.stringify(after), rows, last],
      );
      await client.query('COMMIT');
    }
    this.#progress = { ...progress, table: name, rows };
  }

  async #finish(client: Client, begun: BegunSeed, signal: AbortSignal): Promise<void> {
    const { feedSeq: seededUntil } = await this.#options.relay.endSeed(signal);
    await client.query('BEGIN');
    await client.query('INSERT INTO sync.cursor (epoch, seq, seeded_until) VALUES ($1, $2, $3)', [
      begun.epoch,
      begun.feedSeq,
      seededUntil,
    ]);
    await client.query('DELETE FROM sync.seed');
    await client.query('COMMIT');
    this.#options.logger.info(
      { rows: begun.rows, feedSeq: begun.feedSeq, seededUntil },
      'the first copy is complete',
    );
  }
}

interface BegunSeed {
  epoch: string;
  /** The feed is read from here once the copy is complete. */
  feedSeq: number;
  table: string | null;
  after: Row | null;
  rows: number;
  tablesDone: string[];
}
