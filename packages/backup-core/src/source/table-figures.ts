/**
 * How many rows each table has, and a checksum of them: what a restore is compared with. One pass over each table, in the
 * server, in the transaction of the caller.
 *
 * The checksum of a table is the sum of the hashes of its rows, so it depends on no order and can be computed in parallel.
 * A column is hashed by its type's own hash where that is the same on every server of the same major version, and by its text
 * otherwise: the hash of an enum is that of its number, which a restored dump changes, and that of a numeric forgets its scale.
 */
import type { ClientBase } from 'pg';
import type { TableFigures } from '../format/object.ts';

const hashedByType = [
  'bool',
  'int2',
  'int4',
  'int8',
  'text',
  'varchar',
  'uuid',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'bytea',
];

/** Text must not depend on the settings of a server, a database or a role. */
const pinnedSettings = `
  set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres'; set local timezone = 'UTC';
  set local extra_float_digits = 1; set local bytea_output = 'hex'; set local xmloption = 'content';
  set local search_path = ''; set local lc_monetary = 'C'; set local row_security = off`;

const tablesSql = `
  select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as name,
         array(select quote_ident(a.attname) || case when t.typname = any($1) and t.typtype = 'b' then '' else '::text' end
                 from pg_attribute a join pg_type t on t.oid = a.atttypid
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
                order by a.attnum) as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind = 'r' and c.relpersistence = any($2)
     and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   order by 1`;

export interface FiguresOptions {
  /** An unlogged table is in a dump, but empty after a base backup. */
  readonly unlogged: boolean;
  /** A single value each, by name: fee totals and the like. */
  readonly totals?: Readonly<Record<string, string>>;
}

export interface Figures {
  readonly tables: TableFigures[];
  readonly totals?: Record<string, string>;
}

/** @param client In a transaction of its own, which keeps every table from being dropped or truncated until it ends. */
export async function tableFigures(client: ClientBase, options: FiguresOptions): Promise<Figures> {
  await client.query(pinnedSettings);
  const kinds = options.unlogged ? ['p', 'u'] : ['p'];
  const { rows } = await client.query<{ name: string; columns: string[] }>(tablesSql, [hashedByType, kinds]);
  if (rows.length > 0)
    await client.query(`lock table ${rows.map(({ name }) => name).join(', ')} in access share mode`);
  const tables: TableFigures[] = [];
  for (const { name, columns } of rows) {
    const counted = await client.query<{ rows: string; checksum: string }>(
      `select count(*)::text as rows, coalesce(sum(hash_record_extended(row(${columns.join(', ')}), 0)), 0)::text as checksum
         from only ${name}`,
    );
    const figures = counted.rows[0] as { rows: string; checksum: string };
    tables.push({ table: name, rows: Number(figures.rows), checksum: figures.checksum });
  }
  const totals = await totalsOf(client, options.totals ?? {});
  return options.totals ? { tables, totals } : { tables };
}

async function totalsOf(
  client: ClientBase,
  queries: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const totals: Record<string, string> = {};
  for (const [name, sql] of Object.entries(queries)) {
    const { rows } = await client.query({ text: sql, rowMode: 'array' });
    totals[name] = String((rows as unknown[][])[0]?.[0] ?? '');
  }
  return totals;
}
