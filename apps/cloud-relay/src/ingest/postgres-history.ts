/**
 * When the cloud last changed a row, or a column of it, as far as one campus can see: the row's commit timestamp settles
 * most questions about rows that the cloud itself wrote last, the campus's feed the rest. Asked only for conflicts, about rows that are
 * locked and not yet written: several columns of a row, and its times in doubt, are settled by what was read once.
 */
import { type Change, quoteTable, type Row, rowId, rowSource, type Table } from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import { FeedRows, type RowChange } from '../feed/feed-rows.ts';
import type { RowHistory } from './cloud-store.ts';

interface LastWrite {
  /** Microseconds since 1970-01-01 UTC. */
  at: number;
  /** By the cloud's own writers. What ingest applied is dated by its campus: the cloud may have changed the row later. */
  own: boolean;
}

export class PostgresHistory implements RowHistory {
  readonly #client: ClientBase;
  readonly #feed: FeedRows;
  readonly #waitForFeed: () => Promise<boolean>;
  #feedIsCurrent: Promise<boolean> | null = null;
  readonly #lastWrites = new Map<string, Promise<LastWrite | null>>();
  readonly #changes = new Map<string, { since: number; changes: Promise<RowChange[]> }>();

  /** @param waitForFeed Whether the feed came to hold, in good time, every commit that had happened at the call. */
  constructor(client: ClientBase, campus: string, waitForFeed: () => Promise<boolean>) {
    this.#client = client;
    this.#feed = new FeedRows(client, campus);
    this.#waitForFeed = waitForFeed;
  }

  async rowChangedAt(table: Table, key: Row): Promise<number | null> {
    return (await this.#lastWrite(table, key))?.at ?? null;
  }

  #lastWrite(table: Table, key: Row): Promise<LastWrite | null> {
    const id = rowId(table.name, key);
    const known = this.#lastWrites.get(id) ?? this.#readLastWrite(table, key);
    this.#lastWrites.set(id, known);
    return known;
  }

  async #readLastWrite(table: Table, key: Row): Promise<LastWrite | null> {
    const source = rowSource(table, table.keyColumns, [key]);
    const match = table.keyColumns.map(
      (column) => `t."${column.replaceAll('"', '""')}" = s."${column.replaceAll('"', '""')}"`,
    );
    const { rows } = await this.#client.query<{ at: string | null; origin: string | null }>({
      text: `SELECT (extract(epoch FROM x.timestamp) * 1000000)::bigint AS at, x.roident AS origin
             FROM ${quoteTable(table.name)} t JOIN ${source.sql} ON ${match.join(' AND ')}
             CROSS JOIN pg_xact_commit_timestamp_origin(t.xmin) x`,
      values: source.values,
    });
    return rows[0] ? { at: Number(rows[0].at ?? 0), own: Number(rows[0].origin ?? -1) === 0 } : null;
  }

  async changedSince(table: Table, key: Row, column: string | null, since: number): Promise<boolean> {
    const last = await this.#lastWrite(table, key);
    if (last?.own && last.at < since) return false;
    if (!(await this.#feedCaughtUp())) return true;
    const changes = await this.#changesSince(table, key, since);
    return changes.some(({ change }) => column === null || concerns(change, column));
  }

  async lastKnown(table: Table, key: Row): Promise<Row | null> {
    if (!(await this.#feedCaughtUp())) return null;
    const [latest] = await this.#changesSince(table, key, -1);
    return latest?.change.op === 'delete' ? latest.change.before : null;
  }

  async #changesSince(table: Table, key: Row, since: number): Promise<RowChange[]> {
    const id = rowId(table.name, key);
    let known = this.#changes.get(id);
    if (!known || known.since > since) {
      known = { since, changes: this.#feed.changesOf(table.name, key, since) };
      this.#changes.set(id, known);
    }
    return (await known.changes).filter(({ committedAt }) => committedAt >= since);
  }

  /** Whether the feed holds every commit that had happened when this was first asked. The rows are locked since then. */
  #feedCaughtUp(): Promise<boolean> {
    this.#feedIsCurrent ??= this.#waitForFeed();
    return this.#feedIsCurrent;
  }
}

function concerns(change: Change, column: string): boolean {
  return change.op !== 'update' || column in (change.after ?? {});
}
