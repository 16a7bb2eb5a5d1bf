/**
 * The cloud's Postgres as ingest's store: a pool of sessions, each with a replication origin of its own, whose commits are
 * begun anew when Postgres broke a deadlock or another session inserted one of the rows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  dateTransaction,
  encodeTransaction,
  type LiveCatalog,
  OriginsBusyError,
  postgresRows,
  RowsMovedError,
  rowId,
  sessionConfig,
  takeOrigin,
} from '@skooly-edge/sync-protocol';
import { Pool, type PoolClient } from 'pg';
import { waitForFeed } from '../feed/feed-position.ts';
import { postgresSalvage } from '../restore/postgres-salvage.ts';
import type { CloudCommit, CloudStore, ParkedStore, ParkedTransaction, PartStore } from './cloud-store.ts';
import { datedBody } from './dated.ts';
import { PostgresHistory } from './postgres-history.ts';
import type { RefusalKind } from './refusal.ts';

export interface PostgresCloudOptions {
  databaseUrl: string;
  /** Connections for short questions, apart from those that apply. */
  queries: Pool;
  catalog: LiveCatalog;
  /** Connections that apply at once. */
  maxSessions: number;
  /** A conflict waits for the feed. */
  onFeedAwaited?(): void;
}

/** A commit waits this long for a free session before it is told to come again. */
const sessionWaitMs = 10_000;

/**
 * Ingest finds rows by their keys, many at a time, in tables that grow while it does. A planner that counts on last night's
 * statistics would read them whole.
 */
const rowsByKey = { enable_seqscan: 'off', enable_hashjoin: 'off', enable_mergejoin: 'off', jit: 'off' };

/** How long a conflict waits for the feed writer before the row's own timestamp has to do. */
const feedPatienceMs = 5_000;

/** How often a commit is begun anew because another session inserted one of its rows, or a deadlock was broken. */
const maxRestarts = 5;

export class PostgresCloud implements CloudStore {
  readonly #options: PostgresCloudOptions;
  readonly #pool: Pool;
  readonly #withOrigin = new WeakSet<PoolClient>();

  constructor(options: PostgresCloudOptions) {
    this.#options = options;
    this.#pool = new Pool({
      ...sessionConfig(options.databaseUrl, {
        applicationName: 'skooly-relay ingest',
        settings: { session_replication_role: 'replica', ...rowsByKey },
      }),
      pipeline: true,
      max: options.maxSessions,
      connectionTimeoutMillis: sessionWaitMs,
      idleTimeoutMillis: 30_000,
    });
    this.#pool.on('error', () => {});
    // A session that breaks while it is in use fails its next statement.
    this.#pool.on('connect', (client) => client.on('error', () => {}));
  }

  async commit<T>(work: (commit: CloudCommit) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#session();
      let reusable = true;
      try {
        await client.query('BEGIN');
        const result = await work(this.#commitOver(client, attempt === maxRestarts));
        await client.query('COMMIT');
        return result;
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

  #commitOver(client: PoolClient, lastAttempt: boolean): CloudCommit {
    const { queries, onFeedAwaited } = this.#options;
    const feedIsCurrent = () => {
      const current = waitForFeed(queries, feedPatienceMs);
      onFeedAwaited?.();
      return current;
    };
    const catalog = this.#options.catalog.current;
    return {
      catalog,
      rows: postgresRows(client, catalog),
      parked: postgresParked(client),
      salvage: postgresSalvage(client),
      parts: postgresParts(client),
      lastAttempt,
      lockCursor: (campus, epoch) => lockCursor(client, campus, epoch),
      async moveCursor(campus, epoch, seq) {
        await client.query(
          'UPDATE sync.cursor SET seq = $3, moved_at = clock_timestamp() WHERE campus = $1 AND epoch = $2',
          [campus, epoch, seq],
        );
      },
      date: (committedAt) => dateTransaction(client, committedAt),
      history: (campus) => new PostgresHistory(client, campus, feedIsCurrent),
      async emit(prefix, message) {
        await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [prefix, JSON.stringify(message)]);
      },
    };
  }
}

async function lockCursor(client: PoolClient, campus: string, epoch: string): Promise<number> {
  await client.query(
    'INSERT INTO sync.cursor (campus, epoch, seq) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING',
    [campus, epoch],
  );
  const { rows } = await client.query<{ seq: string }>(
    'SELECT seq FROM sync.cursor WHERE campus = $1 AND epoch = $2 FOR UPDATE',
    [campus, epoch],
  );
  return Number(rows[0]?.seq ?? 0);
}

/** In `sync.part`, until the last part comes. */
function postgresParts(client: Pick<PoolClient, 'query'>): PartStore {
  return {
    async open(campus, epoch) {
      const found = await client.query('SELECT FROM sync.part WHERE campus = $1 AND epoch = $2 LIMIT 1', [
        campus,
        epoch,
      ]);
      return found.rowCount === 1;
    },
    async add(campus, epoch, part) {
      await client.query('INSERT INTO sync.part (campus, epoch, seq, body) VALUES ($1, $2, $3, $4)', [
        campus,
        epoch,
        part.seq,
        JSON.stringify(part),
      ]);
    },
    async after(campus, epoch, seq) {
      const { rows } = await client.query<{ body: string }>(
        'SELECT body FROM sync.part WHERE campus = $1 AND epoch = $2 AND seq > $3 ORDER BY seq LIMIT 1',
        [campus, epoch, seq],
      );
      return rows[0] ? datedBody(rows[0].body) : null;
    },
    async clear(campus, epoch) {
      await client.query('DELETE FROM sync.part WHERE campus = $1 AND epoch = $2', [campus, epoch]);
    },
  };
}

/** Parked transactions in `sync.parked`, and the rows that they touch in `sync.parked_row`. */
export function postgresParked(client: Pick<PoolClient, 'query'>): ParkedStore {
  return {
    async add({ campus, epoch, kind, detail, transaction, conflictId, waitsFor }) {
      const { seq } = transaction;
      await client.query(
        `INSERT INTO sync.parked (campus, epoch, seq, kind, detail, body, conflict_id, waits_for)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        [campus, epoch, seq, kind, detail, encodeTransaction(transaction), conflictId, waitsFor],
      );
      const rows = new Set(transaction.changes.map((change) => rowId(change.table, change.key)));
      await client.query(
        'INSERT INTO sync.parked_row (campus, epoch, seq, row_id) SELECT $1, $2, $3, unnest($4::text[])',
        [campus, epoch, seq, [...rows]],
      );
    },
    async remove(campus, epoch, seq) {
      await take(client, campus, epoch, seq, '');
    },
    async drop(campus, epoch, seq) {
      await take(client, campus, epoch, seq, 'INSERT INTO sync.dropped SELECT *, now() FROM gone');
    },
    async takeBack(campus) {
      const { rows } = await client.query<StoredParked | { conflict_id: string; body: null }>(
        `WITH taken AS (
           DELETE FROM sync.dropped d USING sync.conflict c
           WHERE d.campus = $1 AND c.id = d.conflict_id
             AND NOT (c.status = 'decided' AND c.decision ->> 'action' = 'drop') RETURNING d.*
         ), idle AS (SELECT id FROM sync.conflict c WHERE campus = $1 AND ${hasNothingToCarryOut})
         SELECT coalesce(t.conflict_id, i.id) AS conflict_id, epoch, kind, detail, body, to_json(waits_for) AS waits
         FROM taken t FULL JOIN idle i ON i.id = t.conflict_id ORDER BY parked_at, seq`,
        [campus],
      );
      return rows.map((row) => ({
        conflictId: row.conflict_id,
        dropped: row.body === null ? null : parkedOf(campus, row),
      }));
    },
    async list(campus) {
      const { rows } = await client.query<StoredParked>(
        `SELECT epoch, kind, detail, body, conflict_id, to_json(waits_for) AS waits FROM sync.parked
         WHERE campus = $1 ORDER BY min(parked_at) OVER (PARTITION BY epoch), epoch, seq`,
        [campus],
      );
      return rows.map((row) => parkedOf(campus, row));
    },
    async count(campus) {
      const { rows } = await client.query<{ count: string }>(
        'SELECT count(*) FROM sync.parked WHERE campus = $1',
        [campus],
      );
      return Number(rows[0]?.count ?? 0);
    },
    async epochs(campus) {
      const { rows } = await client.query<{ epoch: string }>(
        'SELECT DISTINCT epoch FROM sync.parked WHERE campus = $1 ORDER BY epoch',
        [campus],
      );
      return rows.map(({ epoch }) => epoch);
    },
    async waitingRows(campus) {
      const { rows } = await client.query<{ row_id: string; kind: RefusalKind }>(
        'SELECT r.row_id, p.kind FROM sync.parked_row r JOIN sync.parked p USING (campus, epoch, seq) WHERE campus = $1',
        [campus],
      );
      return new Map(rows.map((row) => [row.row_id, row.kind]));
    },
  };
}

/** Of an entry `c`: its decision is taken back, or is to drop a transaction that is neither parked nor dropped. */
export const hasNothingToCarryOut = `c.status = 'decided' AND c.decision ->> 'action' IN ('undrop', 'drop')
  AND (c.decision ->> 'action' = 'undrop' OR c.id NOT IN (
    SELECT conflict_id FROM sync.parked UNION ALL SELECT conflict_id FROM sync.dropped))`;

type StoredParked = Record<'epoch' | 'kind' | 'detail' | 'body' | 'conflict_id' | 'waits', string>;

function parkedOf(campus: string, row: StoredParked): ParkedTransaction {
  return {
    campus,
    epoch: row.epoch,
    kind: row.kind as RefusalKind,
    detail: row.detail,
    transaction: datedBody(row.body),
    conflictId: row.conflict_id,
    waitsFor: JSON.parse(row.waits),
  };
}

/** No cascade does it: foreign keys do not fire in a session that replays. */
async function take(
  client: Pick<PoolClient, 'query'>,
  campus: string,
  epoch: string,
  seq: number,
  keep: string,
): Promise<void> {
  await client.query(
    `WITH gone AS (DELETE FROM sync.parked WHERE campus = $1 AND epoch = $2 AND seq = $3 RETURNING *),
          rows AS (DELETE FROM sync.parked_row WHERE campus = $1 AND epoch = $2 AND seq = $3)
     ${keep || 'SELECT FROM gone'}`,
    [campus, epoch, seq],
  );
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
