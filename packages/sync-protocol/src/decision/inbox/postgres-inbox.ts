/** The inbox of a site, in its database. */
import type { Pool, PoolClient } from 'pg';
import type { LiveCatalog } from '../../postgres/apply/catalog.ts';
import type { Row } from '../../transaction/transaction.ts';
import { decide, undo } from '../decide.ts';
import { entryOf } from '../entry.ts';
import { DecisionError } from '../errors.ts';
import {
  type ConflictFilter,
  type ConflictPage,
  type Inbox,
  maxConflictsPerPage,
  usualConflictsPerPage,
} from './inbox.ts';

export interface PostgresInboxOptions {
  /** Connections of `sessionConfig` that write as users do: no origin, no replica role. */
  pool: Pool;
  catalog: LiveCatalog;
  now(): Date;
}

export function postgresInbox({ pool, catalog, now }: PostgresInboxOptions): Inbox {
  return {
    list: (filter) => listConflicts(pool, filter),
    async get(id) {
      const { rows } = await pool.query<Row>('SELECT * FROM sync.conflict WHERE id::text = $1', [id]);
      if (!rows[0]) throw new DecisionError('CONFLICT_UNKNOWN', { id });
      return entryOf(rows[0]);
    },
    decide: (asked) =>
      withClient(pool, (client) => decide(client, catalog.current, { ...asked, now: now() })),
    undo: (asked) => withClient(pool, (client) => undo(client, catalog.current, { ...asked, now: now() })),
  };
}

const columns = `id, campus, kind, table_name, row_key, before, campus_value, cloud_value, result, rule, detail, NULL AS parked,
  status, campus_at, cloud_at, campus_by, cloud_by, campus_epoch, campus_seq, created_at, decided_at, decided_by, decision`;

const fits = `($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR kind = $2)
  AND ($3::text IS NULL OR table_name = $3) AND ($4::text IS NULL OR campus = $4)`;

async function listConflicts(pool: Pool, filter: ConflictFilter): Promise<ConflictPage> {
  const limit = Math.min(filter.limit ?? usualConflictsPerPage, maxConflictsPerPage);
  const wanted = [filter.status, filter.kind, filter.table, filter.campus].map((value) => value ?? null);
  const [afterAt, afterId] = placeOf(filter.after);
  const { rows: counted } = await pool.query<Record<'total' | 'open', string>>(
    `SELECT count(*) AS total, count(*) FILTER (WHERE status = 'open') AS open FROM sync.conflict WHERE ${fits}`,
    wanted,
  );
  const { rows } = await pool.query<Row>(
    `SELECT ${columns} FROM sync.conflict
     WHERE ${fits} AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
     ORDER BY created_at DESC, id DESC LIMIT $7`,
    [...wanted, afterAt, afterId, limit + 1],
  );
  const conflicts = rows.slice(0, limit).map(entryOf);
  const last = conflicts.at(-1);
  return {
    conflicts,
    total: Number(counted[0]?.total),
    open: Number(counted[0]?.open),
    next: rows.length > limit && last ? `${last.createdAt}~${last.id}` : null,
  };
}

/** What does not name a place is the beginning. */
function placeOf(after: string | undefined): [string | null, string | null] {
  const match = /^(\d{4}-\d\d-\d\dT[\d:.]{8,15}Z)~([0-9a-f-]{36})$/.exec(after ?? '');
  return match ? [match[1] as string, match[2] as string] : [null, null];
}

async function withClient<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    return await work(client);
  } catch (error) {
    if (!(error instanceof DecisionError)) broken = error as Error;
    throw error;
  } finally {
    client.release(broken);
  }
}
