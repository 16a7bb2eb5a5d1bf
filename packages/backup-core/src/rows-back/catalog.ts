import type pg from 'pg';

export interface Column {
  /** Quoted. */
  readonly name: string;
  readonly type: string;
  readonly generated: boolean;
}

export interface Table {
  /** Quoted, with its schema. */
  readonly name: string;
  readonly columns: readonly Column[];
  /** Columns of the primary key, quoted; empty: it has none. */
  readonly key: readonly string[];
}

export interface ForeignKey {
  readonly child: string;
  readonly parent: string;
  readonly childColumns: readonly string[];
  readonly parentColumns: readonly string[];
  /** Whether the child keeps its row and loses the reference when the parent goes. */
  readonly setsNull: boolean;
}

export interface Catalog {
  readonly tables: ReadonlyMap<string, Table>;
  readonly foreignKeys: readonly ForeignKey[];
}

const NAME = `quote_ident(n.nspname) || '.' || quote_ident(c.relname)`;

const TABLES = `
  select ${NAME} as name,
         (select coalesce(json_agg(json_build_object('name', quote_ident(a.attname),
                   'type', format_type(a.atttypid, a.atttypmod), 'generated', a.attgenerated <> '') order by a.attnum), '[]')
            from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
         (select coalesce(json_agg(quote_ident(a.attname) order by k.place), '[]')
            from pg_constraint p, unnest(p.conkey) with ordinality k(attnum, place), pg_attribute a
           where p.conrelid = c.oid and p.contype = 'p' and a.attrelid = c.oid and a.attnum = k.attnum) as key
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
     and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`;

const FOREIGN_KEYS = `
  select (select ${NAME} from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = f.conrelid) as child,
         (select ${NAME} from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = f.confrelid) as parent,
         (select json_agg(quote_ident(a.attname) order by k.place) from unnest(f.conkey) with ordinality k(attnum, place)
            join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.attnum) as "childColumns",
         (select json_agg(quote_ident(a.attname) order by k.place) from unnest(f.confkey) with ordinality k(attnum, place)
            join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.attnum) as "parentColumns",
         f.confdeltype in ('n', 'd') as "setsNull"
    from pg_constraint f where f.contype = 'f' and f.conparentid = 0`;

export async function readCatalog(client: pg.Client): Promise<Catalog> {
  const { rows } = await client.query<Table>(TABLES);
  const foreignKeys = await client.query<ForeignKey>(FOREIGN_KEYS);
  return { tables: new Map(rows.map((table) => [table.name, table])), foreignKeys: foreignKeys.rows };
}

/** Parents before children; tables that refer to one another in a circle come in any order. */
export function parentsFirst(names: readonly string[], { foreignKeys }: Catalog): string[] {
  const sorted: string[] = [];
  const visited = new Set<string>();
  const visit = (name: string) => {
    if (visited.has(name)) return;
    visited.add(name);
    for (const { child, parent } of foreignKeys) if (child === name && names.includes(parent)) visit(parent);
    sorted.push(name);
  };
  for (const name of names) visit(name);
  return sorted;
}
