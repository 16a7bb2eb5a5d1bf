/**
 * Rows of the past that the live database lacks, staged in a temporary table of the live connection beside each table. Rows
 * travel as text, some hundred at a time, so memory does not grow with them.
 */
import type pg from 'pg';
import type { Table } from './catalog.ts';
import { RowsBackError } from './errors.ts';

const PAGE_ROWS = 500;

/** A table of the live database, how the past calls its columns, and the name of its staging table. */
export interface Staged {
  readonly table: Table;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly stage: string;
}

export interface Seen {
  /** Rows of the past that are there today too, and how many of them have other contents today. */
  present: number;
  changed: number;
}

export async function makeStage(
  live: pg.Client,
  table: Table,
  past: Table | undefined,
  number: number,
): Promise<Staged> {
  if (!past)
    throw new RowsBackError('ROWS_BACK_TABLE_UNKNOWN', `${table.name} was not there at that moment.`);
  if (table.key.length === 0)
    throw new RowsBackError('ROWS_BACK_NO_KEY', `${table.name} has no primary key.`);
  const there = new Map(table.columns.map((column) => [column.name, column]));
  const lost = past.columns.filter(({ name, generated }) => !generated && !there.has(name));
  if (lost.length > 0) {
    const names = lost.map(({ name }) => name).join(', ');
    throw new RowsBackError('ROWS_BACK_COLUMN_GONE', `${table.name} has no column ${names} today.`);
  }
  const known = new Set(past.columns.map(({ name }) => name));
  const columns = table.columns.filter(({ name, generated }) => known.has(name) && !generated);
  const stage = `pg_temp.skooly_rows_back_${number}`;
  const shape = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
  await live.query(`create temporary table skooly_rows_back_${number} (${shape}, primary key (${table.key.join(', ')}))
                    on commit drop`);
  return { table, columns, stage };
}

/** Every row of the table in the past, by its key, page by page. */
export async function stageAll(
  live: pg.Client,
  past: pg.Client,
  staged: Staged,
  where: string | undefined,
): Promise<Seen> {
  const { table } = staged;
  const keyColumns = table.key.map(
    (name) => staged.columns.find((column) => column.name === name) as Staged['columns'][0],
  );
  // A bare name in ORDER BY would mean the column's text.
  const qualified = table.key.map((name) => `t.${name}`).join(', ');
  const seen: Seen = { present: 0, changed: 0 };
  const places = table.key.map((name) => staged.columns.findIndex((column) => column.name === name));
  for (let after: (string | null)[] | null = null; ; ) {
    const beyond: string =
      after === null
        ? 'true'
        : `(${qualified}) > (${keyColumns.map(({ type }, i) => `$${i + 1}::${type}`).join(', ')})`;
    const rows: (string | null)[][] = await textRows(
      past,
      `select ${textColumns(staged)} from ${table.name} t where ${beyond} and (${where ?? 'true'})
        order by ${qualified} limit ${PAGE_ROWS}`,
      after ?? [],
    );
    if (rows.length === 0) return seen;
    await stagePage(live, staged, rows, seen);
    const last = rows.at(-1) as (string | null)[];
    after = places.map((place) => last[place] as string);
  }
}

/** Rows of `to` in the past whose `toColumns` have one of the values that `fromColumns` have in what is staged of `from`. */
export async function stageRelated(
  live: pg.Client,
  past: pg.Client,
  {
    from,
    fromColumns,
    to,
    toColumns,
  }: { from: Staged; fromColumns: readonly string[]; to: Staged; toColumns: readonly string[] },
): Promise<number> {
  let added = 0;
  await eachPage(
    live,
    `select distinct ${fromColumns.map((name) => `${name}::text`).join(', ')} from ${from.stage}
                         where ${fromColumns.map((name) => `${name} is not null`).join(' and ')}`,
    async (values) => {
      const types = toColumns.map(
        (name) => to.columns.find((column) => column.name === name)?.type ?? 'text',
      );
      const sql = `select ${textColumns(to)} from ${to.table.name}
                  where (${toColumns.join(', ')}) in (${unnested(types, 0)})`;
      const rows = await textRows(past, sql, columnsOf(values, toColumns.length));
      added += await stagePage(live, to, rows, { present: 0, changed: 0 });
    },
  );
  return added;
}

/** @returns how many rows were staged that were not before. */
async function stagePage(
  live: pg.Client,
  staged: Staged,
  rows: (string | null)[][],
  seen: Seen,
): Promise<number> {
  const { table, columns, stage } = staged;
  if (rows.length === 0) return 0;
  const types = columns.map(({ type }) => type);
  const names = columns.map(({ name }) => name);
  const same = table.key.map((name) => `l.${name} = p.${name}`).join(' and ');
  const texts = (alias: string) => names.map((name) => `${alias}.${name}::text`).join(', ');
  const { rows: counted } = await live.query<{ present: number; changed: number; added: number }>(
    `with p (${names.join(', ')}) as materialized (${unnested(types, 0)}),
          there as (select row(${texts('p')}) is distinct from row(${texts('l')}) as differs
                      from p join ${table.name} l on ${same}),
          new as (insert into ${stage} (${names.join(', ')})
                  select * from p where not exists (select 1 from ${table.name} l where ${same})
                  on conflict do nothing returning 1)
     select (select count(*)::int from there) as present, (select count(*)::int from there where differs) as changed,
            (select count(*)::int from new) as added`,
    columnsOf(rows, columns.length),
  );
  const [{ present, changed, added }] = counted as [{ present: number; changed: number; added: number }];
  seen.present += present;
  seen.changed += changed;
  return added;
}

export async function eachPage(
  live: pg.Client,
  sql: string,
  use: (rows: (string | null)[][]) => Promise<void>,
): Promise<void> {
  await live.query(`declare skooly_rows_back cursor for ${sql}`);
  for (;;) {
    const rows = await textRows(live, `fetch ${PAGE_ROWS} from skooly_rows_back`, []);
    if (rows.length === 0) break;
    await use(rows);
  }
  await live.query('close skooly_rows_back');
}

/** `select c1::type1, … from unnest($1::text[], …)`. */
export function unnested(types: readonly string[], before: number): string {
  const names = types.map((_, i) => `c${i}`);
  const parameters = types.map((_, i) => `$${before + i + 1}::text[]`);
  return `select ${names.map((name, i) => `${name}::${types[i]}`).join(', ')}
            from unnest(${parameters.join(', ')}) as u (${names.join(', ')})`;
}

export function columnsOf(rows: readonly (string | null)[][], count: number): (string | null)[][] {
  return Array.from({ length: count }, (_, place) => rows.map((row) => row[place] ?? null));
}

function textColumns({ columns }: Staged): string {
  return columns.map(({ name }) => `${name}::text`).join(', ');
}

export async function textRows(
  client: pg.Client,
  text: string,
  values: unknown[],
): Promise<(string | null)[][]> {
  const { rows } = await client.query({ text, values, rowMode: 'array' });
  return rows as (string | null)[][];
}
