/**
 * Keeps what the feed brings and this campus's schema has no place for, in the campus's database, in the follower's own
 * transaction: per row and column the newest value, and whole what concerns a table that is not here. When a migration has made
 * the place, it is handed back as entries of the feed with their own stamps, to be followed like any others: what this
 * campus has changed later than the stamp stays.
 *
 * Order holds as long as everything that can be replayed is applied before the next entry of the feed: `replay` until it gives
 * nothing, then `keep` the fresh ones.
 */
import {
  type Catalog,
  type FeedEntry,
  keyOf,
  type Row,
  readRows,
  rowId,
  type Stamp,
  type Value,
} from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import { splitUnknown, type UnknownPart } from './split-unknown.ts';

export interface UnknownKeeper {
  /**
   * Something may be kept. Then the catalogue is to be refreshed before the next commit: a column that this campus's users
   * have written is never unknown to the follower.
   */
  readonly holds: boolean;
  /** @returns the entries without what has no place here; that is stored in the client's transaction. */
  keep(client: ClientBase, catalog: Catalog, entries: readonly FeedEntry[]): Promise<FeedEntry[]>;
  /**
   * @returns entries that have a place now, the oldest first, taken out of the store in the client's transaction; none: that
   * was all. At most once in a transaction.
   */
  replay(client: ClientBase, catalog: Catalog): Promise<FeedEntry[]>;
  /** The feed goes on under another epoch of the cloud from `forkSeq`: what is kept of it beyond comes again. */
  switchEpoch(client: ClientBase, forkSeq: number): Promise<void>;
  /** Stamps of kept values: the sync log must go on telling what this campus did to their rows since. */
  stamps(client: ClientBase): Promise<Stamp[]>;
}

/** Feed positions that one replay hands back. */
const maxReplayed = 500;

interface KeptValue {
  table: string;
  key: Row;
  column: string;
  value: Value;
  entry: FeedEntry;
}

export class PostgresKeeper implements UnknownKeeper {
  readonly #onUnknown: () => void;
  /** Whether the store may hold anything; null: not asked yet. A transaction that is undone leaves it too careful at worst. */
  #holds: boolean | null = null;

  /** @param onUnknown Called when something had to be kept: this campus is behind. */
  constructor(onUnknown: () => void = () => {}) {
    this.#onUnknown = onUnknown;
  }

  get holds(): boolean {
    return this.#holds !== false;
  }

  async keep(client: ClientBase, catalog: Catalog, entries: readonly FeedEntry[]): Promise<FeedEntry[]> {
    const values = new Map<string, KeptValue>();
    const gone = new Map<string, { table: string; key: Row }>();
    const known: FeedEntry[] = [];
    for (const entry of entries) {
      const split = splitUnknown(catalog, entry);
      known.push(split.known);
      for (const step of split.steps) {
        if (step.kind === 'keep') keepValues(values, step, entry);
        else forgetRow(values, gone, step);
      }
      for (const part of split.parts) await this.#keepPart(client, entry, part);
    }
    if (this.holds && gone.size > 0) await deleteRows(client, [...gone.values()]);
    if (values.size > 0) await this.#keepValues(client, [...values.values()]);
    return known;
  }

  async replay(client: ClientBase, catalog: Catalog): Promise<FeedEntry[]> {
    if (!this.holds) return [];
    const entries = new Map<number, FeedEntry>();
    for (const seq of await replayable(client, catalog)) {
      for (const part of await takeParts(client, catalog, seq)) add(entries, part);
      for (const part of await takeValues(client, catalog, seq)) add(entries, part);
    }
    if (entries.size === 0) {
      this.#holds = await holdsAnything(client);
      return [];
    }
    // A table can be known while one of its columns is not: what is still unknown goes back.
    const known = await this.keep(client, catalog, [...entries.values()]);
    return known.filter(({ changes, corrections }) => changes.length + corrections.length > 0);
  }

  async switchEpoch(client: ClientBase, forkSeq: number): Promise<void> {
    await client.query('DELETE FROM sync.unknown_change WHERE seq > $1', [forkSeq]);
  }

  async stamps(client: ClientBase): Promise<Stamp[]> {
    if (!this.holds) return [];
    const { rows } = await client.query<{ epoch: string; seq: string }>(
      'SELECT stamp_epoch AS epoch, min(stamp_seq) AS seq FROM sync.unknown_value GROUP BY stamp_epoch',
    );
    return rows.map(({ epoch, seq }) => ({ epoch, seq: Number(seq) }));
  }

  async #keepPart(client: ClientBase, entry: FeedEntry, part: UnknownPart): Promise<void> {
    this.#noticed();
    const body = JSON.stringify({ ...entry, changes: part.changes, corrections: part.corrections });
    await client.query(
      'INSERT INTO sync.unknown_change (seq, table_name, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [entry.seq, part.table, body],
    );
  }

  async #keepValues(client: ClientBase, kept: readonly KeptValue[]): Promise<void> {
    this.#noticed();
    await client.query(
      `INSERT INTO sync.unknown_value (table_name, row_key, column_name, value, seq, stamp_epoch, stamp_seq, committed_at)
       SELECT * FROM unnest($1::text[], $2::jsonb[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[])
       ON CONFLICT (table_name, row_key, column_name) DO UPDATE SET
         value = excluded.value, seq = excluded.seq, stamp_epoch = excluded.stamp_epoch,
         stamp_seq = excluded.stamp_seq, committed_at = excluded.committed_at`,
      [
        kept.map(({ table }) => table),
        kept.map(({ key }) => JSON.stringify(key)),
        kept.map(({ column }) => column),
        kept.map(({ value }) => value),
        kept.map(({ entry }) => entry.seq),
        kept.map(({ entry }) => entry.stamp.epoch),
        kept.map(({ entry }) => entry.stamp.seq),
        kept.map(({ entry }) => entry.committedAt),
      ],
    );
  }

  #noticed(): void {
    this.#holds = true;
    this.#onUnknown();
  }
}

function keepValues(
  values: Map<string, KeptValue>,
  step: { table: string; key: Row; values: Row },
  entry: FeedEntry,
): void {
  const row = rowId(step.table, step.key);
  for (const [column, value] of Object.entries(step.values)) {
    values.set(`${row} ${column}`, { table: step.table, key: step.key, column, value, entry });
  }
}

function forgetRow(
  values: Map<string, KeptValue>,
  gone: Map<string, { table: string; key: Row }>,
  { table, key }: { table: string; key: Row },
): void {
  const row = rowId(table, key);
  gone.set(row, { table, key });
  for (const [id, kept] of values) if (rowId(kept.table, kept.key) === row) values.delete(id);
}

async function deleteRows(client: ClientBase, rows: readonly { table: string; key: Row }[]): Promise<void> {
  await client.query(
    `DELETE FROM sync.unknown_value v USING unnest($1::text[], $2::jsonb[]) AS g(table_name, row_key)
     WHERE v.table_name = g.table_name AND v.row_key = g.row_key`,
    [rows.map(({ table }) => table), rows.map(({ key }) => JSON.stringify(key))],
  );
}

async function holdsAnything(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ found: string }>(
    `SELECT (EXISTS (SELECT FROM sync.unknown_value) OR EXISTS (SELECT FROM sync.unknown_change))::text AS found`,
  );
  return rows[0]?.found === 'true';
}

/** Positions of what has a place now. One that is parked already waits, so that a position names one parked entry. */
async function replayable(client: ClientBase, catalog: Catalog): Promise<number[]> {
  const { rows } = await client.query<{ seq: string }>(
    `SELECT DISTINCT seq FROM (
       SELECT seq FROM sync.unknown_value v JOIN unnest($1::text[], $2::text[]) AS c(t, n) ON v.table_name = t AND v.column_name = n
       UNION ALL SELECT seq FROM sync.unknown_change WHERE table_name = ANY ($3)
     ) kept
     WHERE NOT EXISTS (SELECT FROM sync.parked_entry p WHERE p.seq = kept.seq)
     ORDER BY seq LIMIT ${maxReplayed}`,
    [...columnPairs(catalog), [...catalog.tables.keys()]],
  );
  return rows.map(({ seq }) => Number(seq));
}

async function takeParts(client: ClientBase, catalog: Catalog, seq: number): Promise<FeedEntry[]> {
  const { rows } = await client.query<{ body: string }>(
    'DELETE FROM sync.unknown_change WHERE seq = $1 AND table_name = ANY ($2) RETURNING body',
    [seq, [...catalog.tables.keys()]],
  );
  return rows.map(({ body }) => JSON.parse(body) as FeedEntry);
}

/** Values as updates of their rows. A row that is not here and is not waited for was deleted meanwhile, and its values with it. */
async function takeValues(client: ClientBase, catalog: Catalog, seq: number): Promise<FeedEntry[]> {
  const { rows } = await client.query<Record<string, string | null>>(
    `DELETE FROM sync.unknown_value v USING unnest($2::text[], $3::text[]) AS c(t, n)
     WHERE v.seq = $1 AND v.table_name = t AND v.column_name = n
     RETURNING v.*, EXISTS (SELECT FROM sync.parked_entry)::text AS waiting`,
    [seq, ...columnPairs(catalog)],
  );
  const entries: FeedEntry[] = [];
  for (const stored of rows) {
    const table = catalog.tables.get(stored.table_name as string);
    if (!table) continue;
    const key = keyOf(JSON.parse(stored.row_key as string), table.keyColumns);
    const here = stored.waiting === 'true' || (await readRows(client, table, [key])).length > 0;
    if (here) entries.push(valueEntry(seq, table.name, key, stored));
  }
  return entries;
}

function valueEntry(seq: number, table: string, key: Row, stored: Record<string, string | null>): FeedEntry {
  const after = { [stored.column_name as string]: stored.value ?? null };
  return {
    epoch: '',
    seq,
    stamp: { epoch: stored.stamp_epoch ?? '', seq: Number(stored.stamp_seq) },
    committedAt: Number(stored.committed_at),
    // What this campus received is recorded from the stream, not from here.
    lsn: 0,
    changes: [{ table, key, op: 'update', before: {}, after }],
    corrections: [],
  };
}

/** What is of one position is of one commit of the cloud. */
function add(entries: Map<number, FeedEntry>, part: FeedEntry): void {
  const known = entries.get(part.seq);
  if (!known) entries.set(part.seq, part);
  else {
    known.changes.push(...part.changes);
    known.corrections.push(...part.corrections);
  }
}

function columnPairs(catalog: Catalog): [string[], string[]] {
  const pairs = [...catalog.tables.values()].flatMap(({ name, columnNames }) =>
    columnNames.map((column): [string, string] => [name, column]),
  );
  return [pairs.map(([table]) => table), pairs.map(([, column]) => column)];
}
