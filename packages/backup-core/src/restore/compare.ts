/** Holds a restored database against what was counted when the backup was made. */
import pg from 'pg';
import type { TableFigures } from '../format/object.ts';
import { tableFigures } from '../source/table-figures.ts';

export interface Expected {
  readonly tables: readonly TableFigures[];
  readonly totals?: Readonly<Record<string, string>> | undefined;
}

export interface Comparison {
  readonly tables: number;
  readonly rows: number;
  readonly totals: Readonly<Record<string, string>>;
  /** One sentence per table or total that differs; empty: everything is as it was. */
  readonly differences: readonly string[];
}

export interface CompareOptions {
  /** The SQL of each total, by name; one that was not recorded at backup time is not compared. */
  readonly totals: Readonly<Record<string, string>>;
  /** A dump has unlogged tables; after a base they are empty and are not compared. */
  readonly unlogged: boolean;
}

export async function compareFigures(
  connection: pg.ClientConfig,
  expected: Expected,
  { totals, unlogged }: CompareOptions,
): Promise<Comparison> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const ignored = unlogged ? new Set<string>() : await unloggedTables(client);
    const found = await tableFigures(client, { unlogged, totals: recorded(totals, expected.totals) });
    await client.query('commit');
    const differences = [
      ...tableDifferences(
        expected.tables.filter(({ table }) => !ignored.has(table)),
        found.tables,
      ),
      ...totalDifferences(expected.totals ?? {}, found.totals ?? {}),
    ];
    const rows = found.tables.reduce((sum, table) => sum + table.rows, 0);
    return { tables: found.tables.length, rows, totals: found.totals ?? {}, differences };
  } finally {
    await client.end();
  }
}

function recorded(totals: CompareOptions['totals'], known: Expected['totals'] = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(totals).filter(([name]) => name in known));
}

async function unloggedTables(client: pg.Client): Promise<Set<string>> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.relpersistence = 'u'`,
  );
  return new Set(rows.map(({ name }) => name));
}

function tableDifferences(expected: readonly TableFigures[], found: readonly TableFigures[]): string[] {
  const there = new Map(found.map((figures) => [figures.table, figures]));
  const known = new Set(expected.map(({ table }) => table));
  const missing = expected.flatMap(({ table, rows, checksum }) => {
    const restored = there.get(table);
    if (!restored) return [`the table ${table} with ${rows} rows is missing`];
    if (restored.rows !== rows) return [`${table} has ${restored.rows} rows, ${rows} were backed up`];
    return restored.checksum === checksum
      ? []
      : [`${table} has the right number of rows, but other contents`];
  });
  const more = found
    .filter(({ table }) => !known.has(table))
    .map(({ table }) => `the table ${table} was not backed up`);
  return [...missing, ...more];
}

function totalDifferences(
  expected: Readonly<Record<string, string>>,
  found: Readonly<Record<string, string>>,
): string[] {
  return Object.entries(expected).flatMap(([name, value]) => {
    if (!(name in found)) return [];
    return found[name] === value ? [] : [`the total ${name} is ${found[name]}, it was ${value}`];
  });
}
