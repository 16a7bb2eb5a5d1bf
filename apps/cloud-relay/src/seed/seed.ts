/**
 * The first copy of a campus's rows: read in chunks by primary key, each chunk as it stands when it is read.
 *
 * The copy is consistent once the campus has also read its feed from `begin` to `end`: whatever changed while it was being
 * read is in between. So nothing is held open here between requests, and a copy that was broken off for a month
 * goes on where it stopped.
 */
import {
  type Catalog,
  campusRows,
  quoteName,
  quoteTable,
  type Row,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import { RelayError } from '../errors.ts';
import { waitForFeed } from '../feed/feed-position.ts';

/** Rows in one answer. */
export const seedChunkRows = 5_000;

const feedPatienceMs = 10_000;

export interface SeedChunk {
  rows: Row[];
  /** There are no rows behind these. */
  last: boolean;
}

/** @returns the feed position that the copy's feed is to be read from. @throws RelayError FEED_NOT_READY */
export async function beginSeed(pool: Pool, campus: string): Promise<number> {
  const { rows } = await pool.query<{ feed_seq: string }>(
    'SELECT feed_seq FROM sync.follower WHERE campus = $1',
    [campus],
  );
  if (!rows[0]) throw new RelayError('FEED_NOT_READY', `The feed of ${campus} has not begun yet.`);
  return Number(rows[0].feed_seq);
}

/** @returns the feed position from which on the copy is consistent. @throws RelayError FEED_NOT_READY */
export async function endSeed(pool: Pool, campus: string): Promise<number> {
  if (!(await waitForFeed(pool, feedPatienceMs))) {
    throw new RelayError('FEED_NOT_READY', 'The feed is behind the database.');
  }
  return beginSeed(pool, campus);
}

/** @throws RelayError REQUEST_INVALID for a table that is not synced or a key that does not fit it. */
export async function readSeedChunk(
  pool: Pool,
  catalog: Catalog,
  campus: string,
  tableName: string,
  after: Row | null,
): Promise<SeedChunk> {
  const table = catalog.tables.get(tableName);
  if (!table) throw new RelayError('REQUEST_INVALID', `table: ${tableName} is not synced.`);
  const { where, values } = filter(table, campus, after);
  const order = table.keyColumns.map(quoteName).join(', ');
  const { rows } = await pool.query<(string | null)[]>({
    text: `SELECT ${table.columnNames.map(quoteName).join(', ')} FROM ${quoteTable(table.name)} t
           WHERE ${where} ORDER BY ${order} LIMIT ${seedChunkRows}`,
    values,
    rowMode: 'array',
  });
  return { rows: rows.map((cells) => toRow(table, cells)), last: rows.length < seedChunkRows };
}

function filter(table: Table, campus: string, after: Row | null): { where: string; values: string[] } {
  const values: string[] = [];
  const conditions = [campusRows(table, campus, values)];
  if (after) {
    const bounds = table.keyColumns.map((column) => {
      const value = after[column];
      if (typeof value !== 'string')
        throw new RelayError('REQUEST_INVALID', `after: ${column} of ${table.name} is missing.`);
      return `$${values.push(value)}::text::${table.columns.get(column)?.type}`;
    });
    conditions.push(`(${table.keyColumns.map(quoteName).join(', ')}) > (${bounds.join(', ')})`);
  }
  return { where: conditions.join(' AND '), values };
}

function toRow(table: Table, cells: readonly (string | null)[]): Row {
  const row: Row = {};
  for (let i = 0; i < table.columnNames.length; i++) row[table.columnNames[i] as string] = cells[i] ?? null;
  return row;
}
