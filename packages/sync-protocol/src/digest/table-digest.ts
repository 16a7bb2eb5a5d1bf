/**
 * Digests and lists of rows, computed inside Postgres by one statement each, the same on both sites. The statements take no
 * lock that a writer would notice, and are made so that Postgres can split them over its parallel workers.
 *
 * The hash is over the text of the row, so that what prints alike under the pinned settings is alike.
 */
import type { ClientBase } from 'pg';
import type { Table } from '../postgres/apply/catalog.ts';
import { rowSource } from '../postgres/apply/rowset.ts';
import { quoteName, quoteTable } from '../postgres/session.ts';
import type { Row, Value } from '../transaction/transaction.ts';
import { campusRows } from './campus-rows.ts';
import type { BucketDigest, BucketSet } from './digest.ts';

type Queries = Pick<ClientBase, 'query'>;

/** Rows of a table, as one site's statement speaks of them. */
export interface DigestSource {
  table: Table;
  /** The columns that both sites have, in the order of their names. */
  columns: readonly string[];
  /** Null: every row there is. */
  campus: string | null;
}

/** A row as it stood at one moment. */
export interface RowVersion {
  /** Values of the key columns, in their order. */
  key: readonly string[];
  /** 32 hexadecimal digits. */
  hash: string;
  /** Changes whenever the row is written, even to what it was. */
  version: string;
  /** Bytes of the row's text. */
  bytes: number;
}

export async function digestRows(
  client: Queries,
  source: DigestSource,
  set: BucketSet,
): Promise<BucketDigest[]> {
  const values: unknown[] = [];
  const text = `SELECT ${keyHash(source.table)} & ${2 ** set.bits - 1}::bigint, count(*),
                       bit_xor(${rowHash(source, 0)}), bit_xor(${rowHash(source, 1)})
                FROM ${quoteTable(source.table.name)} t
                WHERE ${campusRows(source.table, source.campus, values)} AND ${inBuckets(source.table, set.within, values)}
                GROUP BY 1`;
  const { rows } = await client.query<string[]>({ text, values, rowMode: 'array' });
  return rows.map(([bucket, count, first = '0', second = '0']) => ({
    bucket: Number(bucket),
    rows: Number(count),
    hashes: [BigInt(first), BigInt(second)],
  }));
}

/** @returns at most `limit` rows, in no particular order. */
export async function listVersions(
  client: Queries,
  source: DigestSource,
  within: { bits: number; buckets: readonly number[] },
  limit: number,
): Promise<RowVersion[]> {
  const values: unknown[] = [];
  const text = `SELECT ${versionColumns(source)} FROM ${quoteTable(source.table.name)} t
                WHERE ${campusRows(source.table, source.campus, values)} AND ${inBuckets(source.table, within, values)}
                LIMIT ${limit}`;
  const { rows } = await client.query<string[]>({ text, values, rowMode: 'array' });
  return rows.map(toVersion);
}

/** The rows with these keys as they stand; those that are not there are left out. */
export async function readVersions(
  client: Queries,
  source: DigestSource,
  keys: readonly Row[],
): Promise<RowVersion[]> {
  const { sql, values } = byKeys(source.table, keys);
  const { rows } = await client.query<string[]>({
    text: `SELECT ${versionColumns(source)} FROM ${sql} WHERE ${campusRows(source.table, source.campus, values)}`,
    values,
    rowMode: 'array',
  });
  return rows.map(toVersion);
}

export interface DatedRow {
  row: Row;
  /** When the row was last written here, microseconds since 1970-01-01; null when Postgres no longer knows. */
  writtenAt: number | null;
}

/** The rows with these keys, `source.columns` of them, with the time of their last commit. */
export async function readDatedRows(
  client: Queries,
  source: DigestSource,
  keys: readonly Row[],
  locking = '',
): Promise<DatedRow[]> {
  const { sql, values } = byKeys(source.table, keys);
  const { rows } = await client.query<Value[]>({
    text: `SELECT (extract(epoch FROM pg_xact_commit_timestamp(t.xmin)) * 1000000)::bigint,
                  ${source.columns.map((name) => `t.${quoteName(name)}`).join(', ')}
           FROM ${sql} WHERE ${campusRows(source.table, source.campus, values)} ${locking}`,
    values,
    rowMode: 'array',
  });
  return rows.map(([writtenAt, ...cells]) => ({
    row: Object.fromEntries(source.columns.map((name, i) => [name, cells[i] ?? null])),
    writtenAt: writtenAt == null ? null : Number(writtenAt),
  }));
}

function byKeys(table: Table, keys: readonly Row[]): { sql: string; values: unknown[] } {
  const source = rowSource(table, table.keyColumns, keys);
  const match = table.keyColumns.map((name) => `t.${quoteName(name)} = s.${quoteName(name)}`).join(' AND ');
  return { sql: `${quoteTable(table.name)} t JOIN ${source.sql} ON ${match}`, values: source.values };
}

function versionColumns(source: DigestSource): string {
  const keys = source.table.keyColumns.map((name) => `t.${quoteName(name)}`).join(', ');
  const text = rowText(source);
  const hex = (seed: number) => `lpad(to_hex(${rowHash(source, seed)}), 16, '0')`;
  return `octet_length(${text}), t.xmin, ${hex(0)} || ${hex(1)}, ${keys}`;
}

function toVersion([bytes, version = '', hash = '', ...key]: string[]): RowVersion {
  return { key, hash, version, bytes: Number(bytes) };
}

function inBuckets(
  table: Table,
  within: { bits: number; buckets: readonly number[] } | null,
  values: unknown[],
): string {
  if (!within) return 'true';
  return `${keyHash(table)} & ${2 ** within.bits - 1}::bigint = ANY ($${values.push(within.buckets)}::bigint[])`;
}

function rowText({ columns }: DigestSource): string {
  return `ROW(${columns.map((name) => `t.${quoteName(name)}`).join(', ')})::text COLLATE "C"`;
}

function rowHash(source: DigestSource, seed: number): string {
  return `hashtextextended(${rowText(source)}, ${seed})`;
}

/** Another seed than the rows' own, so that buckets and hashes have nothing to do with one another. */
function keyHash(table: Table): string {
  return `hashtextextended(ROW(${table.keyColumns.map((name) => `t.${quoteName(name)}`).join(', ')})::text COLLATE "C", 7)`;
}
