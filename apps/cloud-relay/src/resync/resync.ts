/**
 * What the relay answers to a box that compares its rows with the cloud's: which tables and columns there are, digests of
 * buckets, versions of rows, whole rows, and which keys the cloud has deleted. Each answer is bounded and reads one moment
 * of its own; nothing is held between two questions, so a comparison may be broken off at any time. A box is told of
 * its own campus's rows only.
 *
 * It changes nothing: that is `correct.ts`.
 */
import {
  type Catalog,
  type DigestAnswer,
  type DigestQuestion,
  type DigestSource,
  digestRows,
  encodeDigests,
  encodeVersions,
  type HistoryAnswer,
  type HistoryQuestion,
  type KeysQuestion,
  keyOf,
  type ListAnswer,
  type ListQuestion,
  listVersions,
  maxAnswerBuckets,
  maxListedRows,
  maxRowsBytes,
  partsOf,
  type Row,
  type RowsAnswer,
  readDatedRows,
  readVersions,
  rowId,
  type Table,
  type TablesAnswer,
} from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import { RelayError } from '../errors.ts';

export interface ResyncContext {
  pool: Pool;
  catalog: Catalog;
  campus: string;
}

export function describeTables({ catalog }: ResyncContext): TablesAnswer {
  const tables = [...catalog.tables.values()];
  return { tables: tables.map(({ name, columnNames }) => ({ name, columns: [...columnNames].sort() })) };
}

/** @throws RelayError REQUEST_INVALID */
export async function answerDigest(
  context: ResyncContext,
  { table, columns, bits, within }: DigestQuestion,
): Promise<DigestAnswer> {
  const set = { bits, within };
  if (within && within.bits >= bits) throw invalid('bits: is not finer than what it is within.');
  const buckets = within ? within.buckets.length * 2 ** (bits - within.bits) : 2 ** bits;
  if (buckets > maxAnswerBuckets) throw invalid(`bits: an answer holds ${maxAnswerBuckets} buckets.`);
  const startedAt = performance.now();
  const digests = await digestRows(context.pool, sourceOf(context, table, columns), set);
  return { digests: encodeDigests(set, digests), computeMs: Math.round(performance.now() - startedAt) };
}

/** @throws RelayError REQUEST_INVALID */
export async function answerList(
  context: ResyncContext,
  { table, columns, within }: ListQuestion,
): Promise<ListAnswer> {
  const startedAt = performance.now();
  const source = sourceOf(context, table, columns);
  const rows = await listVersions(context.pool, source, within, maxListedRows + 1);
  if (rows.length > maxListedRows) throw invalid(`buckets: an answer lists ${maxListedRows} rows.`);
  return { versions: encodeVersions(rows), computeMs: Math.round(performance.now() - startedAt) };
}

/** @throws RelayError REQUEST_INVALID */
export async function answerVersions(
  context: ResyncContext,
  { table, columns, keys }: KeysQuestion,
): Promise<ListAnswer> {
  const startedAt = performance.now();
  const source = sourceOf(context, table, columns, keys);
  const versions = encodeVersions(await readVersions(context.pool, source, keys));
  return { versions, computeMs: Math.round(performance.now() - startedAt) };
}

/** @throws RelayError REQUEST_INVALID */
export async function answerRows(
  context: ResyncContext,
  { table, columns, keys }: KeysQuestion,
): Promise<RowsAnswer> {
  const source = sourceOf(context, table, columns, keys);
  const [asked = []] = await keysByBytes(context.pool, source, keys);
  const known = new Map(
    (await readDatedRows(context.pool, source, asked)).map(({ row }) => [idOf(source.table, row), row]),
  );
  return { rows: asked.map((key) => known.get(idOf(source.table, key)) ?? null) };
}

/** Deletes by the campus itself are not in its feed, and do not count. @throws RelayError REQUEST_INVALID */
export async function answerHistory(
  context: ResyncContext,
  { table, keys }: HistoryQuestion,
): Promise<HistoryAnswer> {
  const source = { ...sourceOf(context, table, null, keys) };
  source.columns = source.table.keyColumns;
  const deleted = await deletedInFeed(context, source.table, keys);
  const dated = await readDatedRows(context.pool, source, keys);
  const writtenAt = new Map(dated.map((found) => [idOf(source.table, found.row), found.writtenAt]));
  const ids = keys.map((key) => idOf(source.table, key));
  return {
    deleted: ids.map((id) => deleted.has(id)),
    writtenAt: ids.map((id) => writtenAt.get(id) ?? null),
  };
}

async function deletedInFeed(
  { pool, campus }: ResyncContext,
  table: Table,
  keys: readonly Row[],
): Promise<Set<string>> {
  const { rows } = await pool.query<{ key: string }>(
    `SELECT change -> 'key' AS key
     FROM (SELECT body::jsonb -> 'changes' AS changes FROM sync.feed
           WHERE campus = $1 AND position('"op":"delete"' IN body) > 0) entry,
          jsonb_array_elements(entry.changes) change
     WHERE change ->> 'op' = 'delete' AND change ->> 'table' = $2 AND change -> 'key' = ANY ($3::jsonb[])`,
    [campus, table.name, keys.map((key) => JSON.stringify(key))],
  );
  return new Set(rows.map(({ key }) => idOf(table, JSON.parse(key))));
}

/** The keys in parts whose rows are about `maxRowsBytes` of text. */
export async function keysByBytes(
  client: Pick<Pool, 'query'>,
  source: DigestSource,
  keys: readonly Row[],
): Promise<Row[][]> {
  const versions = await readVersions(client, source, keys);
  const bytes = new Map(versions.map((version) => [JSON.stringify(version.key), version.bytes]));
  const weight = (key: Row) =>
    bytes.get(JSON.stringify(source.table.keyColumns.map((name) => key[name]))) ?? 0;
  return partsOf(keys, maxRowsBytes, weight);
}

/**
 * @param columns Null: all that the table has here.
 * @throws RelayError REQUEST_INVALID for a table or column that is not synced, or a key that does not fit.
 */
export function sourceOf(
  { catalog, campus }: ResyncContext,
  name: string,
  columns: readonly string[] | null,
  keys: readonly Row[] = [],
): DigestSource {
  const table = catalog.tables.get(name);
  if (!table) throw invalid(`table: ${name} is not synced.`);
  const unknown = columns?.find((column) => !table.columns.has(column));
  if (unknown !== undefined) throw invalid(`columns: ${name} has no column ${unknown}.`);
  const fits = (key: Row) => table.keyColumns.every((column) => typeof key[column] === 'string');
  if (!keys.every(fits)) throw invalid(`keys: the key of ${name} is (${table.keyColumns.join(', ')}).`);
  return { table, columns: columns ?? table.columnNames, campus };
}

export function idOf(table: Table, row: Row): string {
  return rowId(table.name, keyOf(row, table.keyColumns));
}

function invalid(message: string): RelayError {
  return new RelayError('REQUEST_INVALID', message);
}
