/** What outlives a crash: the run under way with the rows it found, and the reports of earlier ones. */
import { keyOf, type Row, rowId, type Table } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { DecidedDifference } from './decide.ts';
import type { Repair } from './difference.ts';
import type { Proof, ResyncReport, ResyncRequest } from './report.ts';

/** Reports of runs that are over, kept for whoever asks what happened. */
const maxKeptRuns = 100;

const ended = "state NOT IN ('queued', 'running')";

export interface StoredRun {
  request: ResyncRequest;
  report: ResyncReport;
  tablesDone: string[];
}

export interface StoredRow {
  key: Row;
  bytes: number;
  kind: DecidedDifference['kind'];
  repair: Repair;
}

export class ResyncStore {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async site(): Promise<{ campus: string; preparedAtMs: number; ready: boolean }> {
    const { rows } = await this.#pool.query<Record<string, string>>(
      `SELECT site, (extract(epoch FROM created_at) * 1000)::bigint AS prepared,
              coalesce((SELECT seq >= seeded_until FROM sync.cursor), false) AS ready FROM sync.site`,
    );
    const row = rows[0] ?? {};
    return { campus: row.site ?? '', preparedAtMs: Number(row.prepared), ready: row.ready === 't' };
  }

  async running(): Promise<StoredRun | null> {
    return this.#one("WHERE state = 'running'");
  }

  /** The last one that ended. */
  async last(): Promise<StoredRun | null> {
    return this.#one(`WHERE ${ended} ORDER BY finished_at DESC LIMIT 1`);
  }

  /** The last comparison of everything that came to its end. */
  async proof(): Promise<Proof | null> {
    const run = await this.#one(
      "WHERE state = 'done' AND request ->> 'table' IS NULL ORDER BY finished_at DESC LIMIT 1",
    );
    if (!run) return null;
    const { finishedAt, startedAt, differences, remaining, tables } = run.report;
    return {
      at: finishedAt ?? startedAt,
      equal: differences === 0,
      tables,
      differences,
      remaining: remaining ?? 0,
    };
  }

  /** The next one of those that wait; null when none does. */
  async promote(): Promise<StoredRun | null> {
    await this.#pool.query(
      `UPDATE sync.resync SET state = 'running' WHERE id =
         (SELECT id FROM sync.resync WHERE state = 'queued' ORDER BY started_at LIMIT 1)`,
    );
    return this.running();
  }

  /** One that waits and is asked for in just this way. */
  async queued(request: ResyncRequest): Promise<StoredRun | null> {
    return this.#one("WHERE state = 'queued' AND request = $1 LIMIT 1", [JSON.stringify(request)]);
  }

  async begin({ request, report }: StoredRun, state: 'running' | 'queued'): Promise<void> {
    await this.#pool.query(
      'INSERT INTO sync.resync (id, state, request, report, started_at) VALUES ($1, $2, $3, $4, $5)',
      [report.id, state, JSON.stringify(request), JSON.stringify(report), report.startedAt],
    );
  }

  /** Writes the report down, and with it that the run is over if it is. */
  async note(report: ResyncReport, tableDone: string | null = null): Promise<void> {
    await this.#pool.query(
      `UPDATE sync.resync SET state = $2, report = $3, finished_at = $4,
              tables_done = CASE WHEN $5::text IS NULL THEN tables_done ELSE array_append(tables_done, $5) END
       WHERE id = $1`,
      [report.id, report.state, JSON.stringify(report), report.finishedAt, tableDone],
    );
    if (report.state !== 'running') await this.#prune(report.id);
  }

  async addRows(id: string, table: string, differences: readonly DecidedDifference[]): Promise<void> {
    if (differences.length === 0) return;
    await this.#pool.query(
      `INSERT INTO sync.resync_row (resync, table_name, row_key, kind, repair, bytes)
       SELECT $1, $2, r.key, r.kind, r.repair, r.bytes
       FROM unnest($3::jsonb[], $4::text[], $5::text[], $6::bigint[]) AS r (key, kind, repair, bytes)
       ON CONFLICT (resync, table_name, row_key) DO UPDATE SET kind = excluded.kind, repair = excluded.repair`,
      [
        id,
        table,
        differences.map(({ key }) => JSON.stringify(key)),
        differences.map(({ kind }) => kind),
        differences.map(({ repair }) => repair),
        differences.map(({ campus, cloud }) => Math.max(campus?.bytes ?? 0, cloud?.bytes ?? 0)),
      ],
    );
  }

  async counts(id: string): Promise<{ rows: number; repaired: number }> {
    const { rows } = await this.#pool.query<Record<string, string>>(
      'SELECT count(*) AS rows, count(*) FILTER (WHERE repaired) AS repaired FROM sync.resync_row WHERE resync = $1',
      [id],
    );
    return { rows: Number(rows[0]?.rows ?? 0), repaired: Number(rows[0]?.repaired ?? 0) };
  }

  /** Rows of the table that are still to be repaired in this way. */
  async unrepaired(
    id: string,
    table: Table,
    way: Pick<StoredRow, 'repair' | 'kind'>,
    limit: number,
  ): Promise<StoredRow[]> {
    return this.#rows(
      table,
      'NOT repaired AND repair = $3 AND kind = $4',
      [id, table.name, way.repair, way.kind],
      limit,
    );
  }

  async allRows(id: string, table: Table, after: Row | null, limit: number): Promise<StoredRow[]> {
    return this.#rows(
      table,
      '($3::jsonb IS NULL OR row_key > $3)',
      [id, table.name, after && JSON.stringify(after)],
      limit,
    );
  }

  async markRepaired(id: string, table: string, keys: readonly Row[]): Promise<void> {
    await this.#pool.query(
      'UPDATE sync.resync_row SET repaired = true WHERE resync = $1 AND table_name = $2 AND row_key = ANY ($3::jsonb[])',
      [id, table, keys.map((key) => JSON.stringify(key))],
    );
  }

  /** Rows of feed entries that are parked on this campus. */
  async waitingRows(): Promise<ReadonlySet<string>> {
    const { rows } = await this.#pool.query<{ body: string }>('SELECT body FROM sync.parked_entry');
    const waiting = new Set<string>();
    for (const { body } of rows) {
      const { changes = [], corrections = [] } = JSON.parse(body) as {
        changes?: { table: string; key: Row }[];
        corrections?: { table: string; key: Row }[];
      };
      for (const { table, key } of [...changes, ...corrections]) waiting.add(rowId(table, key));
    }
    return waiting;
  }

  async #rows(table: Table, condition: string, values: unknown[], limit: number): Promise<StoredRow[]> {
    const { rows } = await this.#pool.query<Record<'row_key' | 'bytes' | 'kind' | 'repair', string>>(
      `SELECT row_key, bytes, kind, repair FROM sync.resync_row
       WHERE resync = $1 AND table_name = $2 AND ${condition} ORDER BY row_key LIMIT ${limit}`,
      values,
    );
    return rows.map((row) => ({
      key: keyOf(JSON.parse(row.row_key), table.keyColumns),
      bytes: Number(row.bytes),
      kind: row.kind as StoredRow['kind'],
      repair: row.repair as Repair,
    }));
  }

  async #one(condition: string, values: unknown[] = []): Promise<StoredRun | null> {
    const { rows } = await this.#pool.query<Record<string, string>>(
      `SELECT request, report, to_json(tables_done) AS tables_done FROM sync.resync ${condition}`,
      values,
    );
    const row = rows[0];
    if (!row) return null;
    return {
      request: JSON.parse(row.request ?? '{}'),
      report: JSON.parse(row.report ?? '{}'),
      tablesDone: JSON.parse(row.tables_done ?? '[]'),
    };
  }

  async #prune(id: string): Promise<void> {
    await this.#pool.query('DELETE FROM sync.resync_row WHERE resync = $1', [id]);
    await this.#pool.query(
      `DELETE FROM sync.resync WHERE ${ended} AND id NOT IN
         (SELECT id FROM sync.resync WHERE ${ended} ORDER BY finished_at DESC LIMIT ${maxKeptRuns})`,
    );
  }
}
