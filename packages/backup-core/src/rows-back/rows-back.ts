/**
 * "An administrator deleted `users` at 10:32": the rows that are gone come back into the live database, and nothing that came
 * after is lost.
 *
 * The past is a scratch Postgres restored to a moment before. In one transaction on the live database, with the tables locked
 * against writers: rows of the past that are missing today are staged; what they refer to and what referred to them and is
 * gone too is staged with them; all is inserted, parents first; references that the deletion had set to null are set again;
 * what was inserted is read back and compared. A row that is there today keeps what it holds, but for such a reference. A row that
 * would clash with one of today (the same e-mail address under another id) stays out and is named, with what hangs on it.
 *
 * Without `apply` the same is done and rolled back, so that the plan is exact. Inserts are ordinary writes: triggers fire, and
 * the sync carries them to the other site.
 */
import pg from 'pg';
import { type Catalog, parentsFirst, readCatalog } from './catalog.ts';
import { RowsBackError } from './errors.ts';
import {
  columnsOf,
  eachPage,
  makeStage,
  type Seen,
  type Staged,
  stageAll,
  stageRelated,
  textRows,
  unnested,
} from './stage.ts';

const LOCK_TIMEOUT_MS = 10_000;
/** Rows that stay out are counted all, and named up to this many for each table. */
const NAMED_ROWS = 20;

export interface RowsBackOptions {
  readonly live: pg.ClientConfig;
  readonly past: pg.ClientConfig;
  readonly tables: readonly string[];
  /** SQL on the rows of the past, for one table. */
  readonly where?: string | undefined;
  /** False: a dry run. */
  readonly apply: boolean;
}

export interface TableReport {
  readonly table: string;
  /** Why it is part of this: `asked`, or by which table it came in. */
  readonly because: string;
  readonly gone: number;
  readonly back: number;
  readonly heldBack: { readonly count: number; readonly keys: readonly string[] };
  /** Of tables that were asked for: there today with other contents, and there today only. Neither is touched. */
  readonly changedSince: number | null;
  readonly newSince: number | null;
  readonly relinked: number;
}

export interface RowsBackReport {
  readonly applied: boolean;
  readonly tables: readonly TableReport[];
}

interface Work {
  readonly live: pg.Client;
  readonly past: pg.Client;
  readonly now: Catalog;
  readonly then: Catalog;
  readonly staged: Map<string, Staged>;
  readonly because: Map<string, string>;
  readonly seen: Map<string, Seen>;
}

export async function rowsBack(options: RowsBackOptions): Promise<RowsBackReport> {
  const live = new pg.Client(options.live);
  const past = new pg.Client(options.past);
  try {
    await live.connect();
    await past.connect();
    for (const client of [live, past]) await client.query(PINNED);
    await live.query(`set lock_timeout = ${LOCK_TIMEOUT_MS}`);
    await past.query('begin isolation level repeatable read read only');
    await live.query('begin');
    const tables = await bringBack(live, past, options);
    await live.query(options.apply ? 'commit' : 'rollback');
    return { applied: options.apply, tables };
  } catch (error) {
    if (error instanceof RowsBackError) throw error;
    throw new RowsBackError('ROWS_BACK_FAILED', `Postgres refuses: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    await Promise.allSettled([live.end(), past.end()]);
  }
}

/** Text must mean the same on both sides. */
const PINNED = `set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC';
  set extra_float_digits = 1; set bytea_output = 'hex'; set xmloption = 'content'; set search_path = ''`;

async function bringBack(live: pg.Client, past: pg.Client, options: RowsBackOptions): Promise<TableReport[]> {
  const [now, then] = [await readCatalog(live), await readCatalog(past)];
  const maps = {
    staged: new Map<string, Staged>(),
    because: new Map<string, string>(),
    seen: new Map<string, Seen>(),
  };
  const work: Work = { live, past, now, then, ...maps };
  for (const asked of options.tables) {
    const name = nameOf(asked, now);
    const staged = await join(work, name, 'asked');
    work.seen.set(name, await stageAll(live, past, staged, options.where));
  }
  await stageFamily(work);
  await live.query('set constraints all deferred');
  const reports: TableReport[] = [];
  for (const name of parentsFirst([...work.staged.keys()], now)) reports.push(await insertStaged(work, name));
  return reports.filter(({ because, gone, relinked }) => because === 'asked' || gone > 0 || relinked > 0);
}

function nameOf(asked: string, { tables }: Catalog): string {
  const found = [asked, `public.${asked}`, asked.split('.').map(pg.escapeIdentifier).join('.')].find((name) =>
    tables.has(name),
  );
  if (found !== undefined) return found;
  throw new RowsBackError('ROWS_BACK_TABLE_UNKNOWN', `The live database has no table ${asked}.`);
}

async function join(work: Work, name: string, because: string): Promise<Staged> {
  const known = work.staged.get(name);
  if (known) return known;
  const table = work.now.tables.get(name);
  if (!table) throw new RowsBackError('ROWS_BACK_TABLE_UNKNOWN', `The live database has no table ${name}.`);
  await work.live.query(`lock table ${name} in share row exclusive mode`);
  const staged = await makeStage(work.live, table, work.then.tables.get(name), work.staged.size);
  work.staged.set(name, staged);
  work.because.set(name, because);
  return staged;
}

/** Until nothing new is found: gone parents of what is staged, and gone children. */
async function stageFamily(work: Work): Promise<void> {
  const { live, past, now } = work;
  for (let added = 1; added > 0; ) {
    added = 0;
    for (const key of now.foreignKeys) {
      const { child, parent, childColumns, parentColumns } = key;
      if (!work.then.tables.has(child) || !work.then.tables.has(parent)) continue;
      if (await hasRows(work, child)) {
        const from = work.staged.get(child) as Staged;
        const to = await join(work, parent, `${child} refers to it`);
        added += await stageRelated(live, past, {
          from,
          fromColumns: childColumns,
          to,
          toColumns: parentColumns,
        });
      }
      if (await hasRows(work, parent)) {
        const from = work.staged.get(parent) as Staged;
        const to = await join(work, child, `it refers to ${parent}`);
        added += await stageRelated(live, past, {
          from,
          fromColumns: parentColumns,
          to,
          toColumns: childColumns,
        });
      }
    }
  }
}

async function hasRows({ live, staged }: Work, name: string): Promise<boolean> {
  const one = staged.get(name);
  return one !== undefined && (await textRows(live, `select 1 from ${one.stage} limit 1`, [])).length > 0;
}

async function insertStaged(work: Work, name: string): Promise<TableReport> {
  const { live } = work;
  const staged = work.staged.get(name) as Staged;
  const { stage, table, columns } = staged;
  const gone = await countOf(live, stage);
  const names = columns.map(({ name: column }) => column).join(', ');
  const held: string[] = [];
  let heldCount = await dropOrphans(work, name, held);
  await live.query(
    `insert into ${name} (${names}) overriding system value select ${names} from ${stage} on conflict do nothing`,
  );
  const same = table.key.map((column) => `t.${column} = s.${column}`).join(' and ');
  heldCount += await dropWhere(
    live,
    staged,
    `not exists (select 1 from ${name} t where ${same})`,
    'a row of today is in its place',
    held,
  );
  await mustBeEqual(live, staged, same);
  const relinked = await relink(work, name);
  const back = await countOf(live, stage);
  const seen = work.seen.get(name);
  const total = seen ? await countOf(live, name) : 0;
  return {
    table: name,
    because: work.because.get(name) as string,
    gone,
    back,
    heldBack: { count: heldCount, keys: held },
    changedSince: seen?.changed ?? null,
    newSince: seen ? total - back - seen.present : null,
    relinked,
  };
}

/** Rows whose parent stayed out cannot come in. A reference to another row of the same table is judged by Postgres. */
async function dropOrphans({ live, now, staged }: Work, name: string, held: string[]): Promise<number> {
  let count = 0;
  for (const { child, parent, childColumns, parentColumns } of now.foreignKeys) {
    if (child !== name || parent === name) continue;
    const same = childColumns.map((column, i) => `t.${parentColumns[i]} = s.${column}`).join(' and ');
    const set = childColumns.map((column) => `s.${column} is not null`).join(' and ');
    const orphan = `${set} and not exists (select 1 from ${parent} t where ${same})`;
    count += await dropWhere(live, staged.get(name) as Staged, orphan, `its ${parent} is not there`, held);
  }
  return count;
}

async function dropWhere(
  live: pg.Client,
  { stage, table }: Staged,
  condition: string,
  reason: string,
  held: string[],
): Promise<number> {
  const key = table.key.map((column) => `s.${column}::text`).join(` || ', ' || `);
  const rows = await textRows(live, `delete from ${stage} s where ${condition} returning ${key}`, []);
  for (const [value] of rows) if (held.length < NAMED_ROWS) held.push(`${value}: ${reason}`);
  return rows.length;
}

async function mustBeEqual(live: pg.Client, { stage, table, columns }: Staged, same: string): Promise<void> {
  const texts = (alias: string) => columns.map(({ name }) => `${alias}.${name}::text`).join(', ');
  const [row] = await textRows(
    live,
    `select count(*)::text from ${stage} s join ${table.name} t on ${same}
      where row(${texts('s')}) is distinct from row(${texts('t')})`,
    [],
  );
  if (row?.[0] === '0') return;
  const message = `${row?.[0]} rows of ${table.name} came back other than they were: a trigger changed them.`;
  throw new RowsBackError('ROWS_BACK_ALTERED', message);
}

/** References to rows of `name` that the deletion set to null, and that are still null. */
async function relink(work: Work, name: string): Promise<number> {
  const { live, past, now, then, staged } = work;
  const { stage } = staged.get(name) as Staged;
  let relinked = 0;
  for (const { child, parent, childColumns, parentColumns, setsNull } of now.foreignKeys) {
    const table = now.tables.get(child);
    if (parent !== name || !setsNull || !table || table.key.length === 0 || !then.tables.has(child)) continue;
    const typeOf = (column: string) => table.columns.find((one) => one.name === column)?.type ?? 'text';
    const columns = [...table.key, ...childColumns];
    const parentTypes = parentColumns.map((_, i) => typeOf(childColumns[i] as string));
    await eachPage(
      live,
      `select ${parentColumns.map((column) => `${column}::text`).join(', ')} from ${stage}`,
      async (values) => {
        const sql = `select ${columns.map((column) => `${column}::text`).join(', ')} from ${child}
                    where (${childColumns.join(', ')}) in (${unnested(parentTypes, 0)})`;
        const rows = await textRows(past, sql, columnsOf(values, parentColumns.length));
        if (rows.length === 0) return;
        const set = childColumns.map((column, i) => `${column} = u.k${table.key.length + i}`).join(', ');
        const where = table.key.map((column, i) => `l.${column} = u.k${i}`).join(' and ');
        const empty = childColumns.map((column) => `l.${column} is null`).join(' and ');
        const { rowCount } = await live.query(
          `update ${child} l set ${set} from (${unnested(columns.map(typeOf), 0)}) as u (${columns.map((_, i) => `k${i}`).join(', ')})
          where ${where} and ${empty}`,
          columnsOf(rows, columns.length),
        );
        relinked += rowCount ?? 0;
      },
    );
  }
  return relinked;
}

async function countOf(live: pg.Client, table: string): Promise<number> {
  const [row] = await textRows(live, `select count(*)::text from ${table}`, []);
  return Number(row?.[0]);
}
