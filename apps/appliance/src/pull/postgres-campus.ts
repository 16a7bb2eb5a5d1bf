/**
 * The campus's Postgres as the follower's store: one session with a replication origin, made anew when it breaks.
 */
import {
  dateTransaction,
  type FeedEntry,
  type LiveCatalog,
  OriginsBusyError,
  postgresRows,
  RowsMovedError,
  sessionConfig,
  takeOrigin,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';
import type { UnknownKeeper } from '../migrations/unknown-keeper.ts';
import type { CampusCommit, CampusStore } from './campus-store.ts';

export interface PostgresCampusOptions {
  databaseUrl: string;
  catalog: LiveCatalog & { refresh(): Promise<boolean> };
  keeper: UnknownKeeper;
  logger: Logger;
}

/** How often a commit is begun anew because of local writers before the error is handed on. */
const maxRestarts = 20;

/** Local users go first: the follower's own session notices a deadlock early and gives way. */
const deadlockTimeout = '100ms';

export class PostgresCampus implements CampusStore {
  readonly #options: PostgresCampusOptions;
  #client: Client | null = null;

  constructor(options: PostgresCampusOptions) {
    this.#options = options;
  }

  async commit<T>(work: (commit: CampusCommit) => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { catalog, keeper } = this.#options;
        const client = await this.#session();
        if (keeper.holds) await catalog.refresh();
        await client.query('BEGIN');
        const result = await work(commitOver(client, catalog, keeper));
        await client.query('COMMIT');
        return result;
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

  async #session(): Promise<Client> {
    if (this.#client) return this.#client;
    const { databaseUrl, logger } = this.#options;
    const client = new Client({
      ...sessionConfig(databaseUrl, {
        applicationName: 'skooly-edge pull',
        settings: { session_replication_role: 'replica', deadlock_timeout: deadlockTimeout },
      }),
      pipeline: true,
    });
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
    try {
      await this.#client?.query('ROLLBACK');
    } catch {
      await this.close();
    }
  }
}

function commitOver(client: Client, live: LiveCatalog, keeper: UnknownKeeper): CampusCommit {
  const catalog = live.current;
  return {
    catalog,
    rows: postgresRows(client, catalog),
    async cursor() {
      const { rows } = await client.query<Record<string, string>>(
        'SELECT epoch, seq, fork_seq FROM sync.cursor FOR UPDATE',
      );
      const row = rows[0] ?? {};
      return { epoch: row.epoch ?? '', seq: Number(row.seq), forkSeq: Number(row.fork_seq) };
    },
    async switchEpoch(epoch, forkSeq) {
      await client.query(
        `UPDATE sync.cursor SET epoch = $1, followed = array_prepend(epoch, followed), seq = least(seq, $2),
                                fork_seq = $2, shape_handle = NULL, shape_offset = NULL`,
        [epoch, forkSeq],
      );
      await client.query('DELETE FROM sync.parked_entry WHERE seq > $1', [forkSeq]);
      await keeper.switchEpoch(client, forkSeq);
    },
    async moveCursor({ seq, stamp }) {
      await client.query(
        'UPDATE sync.cursor SET seq = $1, stamp_epoch = $2, stamp_seq = $3, moved_at = clock_timestamp()',
        [seq, stamp.epoch, stamp.seq],
      );
    },
    keepsUnknown: keeper.holds,
    keep: (entries) => keeper.keep(client, catalog, entries),
    learned: () => keeper.replay(client, catalog),
    keptStamps: () => keeper.stamps(client),
    date: (committedAt) => dateTransaction(client, committedAt),
    async waiting() {
      const { rows } = await client.query<{ body: string }>(
        'SELECT body FROM sync.parked_entry ORDER BY seq',
      );
      return rows.map(({ body }) => JSON.parse(body) as FeedEntry);
    },
    async addWaiting(entry, kind, detail) {
      await client.query('INSERT INTO sync.parked_entry (seq, body, kind, detail) VALUES ($1, $2, $3, $4)', [
        entry.seq,
        JSON.stringify(entry),
        kind,
        detail,
      ]);
    },
    async removeWaiting(seq) {
      await client.query('DELETE FROM sync.parked_entry WHERE seq = $1', [seq]);
    },
  };
}

/** 40P01: deadlock broken, 40001: serialization. */
function isRestartable(error: unknown): boolean {
  if (error instanceof RowsMovedError || error instanceof OriginsBusyError) return true;
  return ['40P01', '40001'].includes((error as { code?: string }).code ?? '');
}
