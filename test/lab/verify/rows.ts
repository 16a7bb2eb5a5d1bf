import { quoteName, quoteTable } from '@skooly-edge/sync-protocol';
import type pg from 'pg';
import { LabError } from '../errors.ts';

const CHUNK_ROWS = 2_000;

/** Values in the order of `Columns.names`, as Postgres prints them. */
export type Row = readonly (string | null)[];

export interface Columns {
  /** Primary key first. */
  readonly names: readonly string[];
  readonly keyCount: number;
}

export async function columnsOf(client: pg.Client, table: string): Promise<Columns> {
  const { rows } = await client.query<{ name: string; position: string | null }>(
    `select a.attname as name, array_position(i.indkey::int2[], a.attnum) as position
       from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
      where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
      order by array_position(i.indkey::int2[], a.attnum), a.attnum`,
    [quoteTable(table)],
  );
  const keyCount = rows.filter(({ position }) => position !== null).length;
  if (keyCount > 0) return { names: rows.map(({ name }) => name), keyCount };
  throw new LabError(
    'DATABASE_INVALID',
    `${table} is missing, or has no primary key.`,
    'Every table of the sync map needs one on both sides.',
  );
}

/** All rows in order of the primary key's text, through a cursor. */
export async function* readRows(
  client: pg.Client,
  table: string,
  columns: Columns,
  where: { readonly sql: string; readonly value: string } | null,
): AsyncGenerator<Row> {
  const list = columns.names.map((name) => `${quoteName(name)}::text`).join(', ');
  const keys = columns.names.slice(0, columns.keyCount).map((name) => `${quoteName(name)}::text collate "C"`);
  const filter = where === null ? '' : `where ${where.sql}`;
  await client.query(
    `declare verify no scroll cursor for select ${list} from ${quoteTable(table)} ${filter} order by ${keys.join(', ')}`,
    where === null ? [] : [where.value],
  );
  while (true) {
    const { rows } = await client.query<(string | null)[]>({
      text: `fetch ${CHUNK_ROWS} from verify`,
      rowMode: 'array',
    });
    yield* rows;
    if (rows.length < CHUNK_ROWS) break;
  }
  await client.query('close verify');
}
