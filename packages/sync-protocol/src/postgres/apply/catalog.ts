/**
 * What the engine has to know of the synced tables, read from Postgres's own catalogue: columns and their types,
 * primary keys, and the foreign keys between them.
 */
import type { ClientBase } from 'pg';
import { SyncError } from '../../errors.ts';
import { isNumberType, isSetType } from '../../merge/settle-column.ts';
import type { SyncMap, TableRule } from '../../sync-map/sync-map.ts';

export interface Column {
  name: string;
  /** Name to cast to, without length or precision: a cast to varchar(10) would cut silently. */
  type: string;
  /** Whether `type[]` can carry it in a parameter (`unnest` takes a composite type apart); otherwise it travels as text and is cast. */
  arrayable: boolean;
}

export interface ForeignKey {
  name: string;
  child: string;
  childColumns: readonly string[];
  parent: string;
  parentColumns: readonly string[];
}

export interface Table {
  name: string;
  rule: TableRule;
  /** Columns that are stored and written; generated ones are left to Postgres. */
  columns: ReadonlyMap<string, Column>;
  columnNames: readonly string[];
  /** Alphabetical. */
  keyColumns: readonly string[];
  /** The row that a row of this table belongs to, where it has no scope column of its own. */
  through: Through | null;
  /** Foreign keys of this table. */
  references: ForeignKey[];
  /** Foreign keys of other tables (or itself) that point here. */
  referencedBy: ForeignKey[];
}

export interface Through {
  column: string;
  parent: Table;
  /** The parent's primary key. */
  parentColumn: string;
}

export interface Catalog {
  syncMap: SyncMap;
  tables: ReadonlyMap<string, Table>;
}

/** The catalogue as it is now: the schema may change while the engine runs. */
export interface LiveCatalog {
  readonly current: Catalog;
}

const columnsQuery = `
  SELECT n.nspname || '.' || c.relname, a.attname, format_type(a.atttypid, -1),
         CASE WHEN t.typarray <> 0 AND t.typdelim = ',' AND t.typtype <> 'c' THEN 't' ELSE 'f' END,
         CASE WHEN EXISTS (SELECT FROM pg_index i
                           WHERE i.indrelid = c.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)) THEN 't' ELSE 'f' END
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  JOIN pg_type t ON t.oid = a.atttypid
  WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1)
  ORDER BY 1, a.attnum`;

const foreignKeysQuery = `
  SELECT k.conname, kn.nspname || '.' || kc.relname, pn.nspname || '.' || pc.relname,
         (SELECT json_agg(a.attname ORDER BY o) FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n),
         (SELECT json_agg(a.attname ORDER BY o) FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
          JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n)
  FROM pg_constraint k
  JOIN pg_class kc ON kc.oid = k.conrelid JOIN pg_namespace kn ON kn.oid = kc.relnamespace
  JOIN pg_class pc ON pc.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = pc.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0
    AND (kn.nspname || '.' || kc.relname = ANY ($1) OR pn.nspname || '.' || pc.relname = ANY ($1))
  ORDER BY 1, 2`;

/** @throws SyncError SCHEMA_MISMATCH when the database does not fit the sync map. */
export async function readCatalog(client: ClientBase, syncMap: SyncMap): Promise<Catalog> {
  const names = [...syncMap.tables.keys()];
  const columns = await client.query<string[]>({ text: columnsQuery, values: [names], rowMode: 'array' });
  const tables = new Map<string, OpenTable>();
  for (const [table = '', name = '', type = '', arrayable, inKey] of columns.rows) {
    const entry = tables.get(table) ?? newTable(table, syncMap);
    tables.set(table, entry);
    entry.columns.set(name, { name, type, arrayable: arrayable === 't' });
    entry.columnNames.push(name);
    if (inKey === 't') entry.keyColumns.push(name);
  }
  for (const rule of syncMap.tables.values()) checkTable(rule, tables.get(rule.table));
  const keys = await client.query<string[]>({ text: foreignKeysQuery, values: [names], rowMode: 'array' });
  for (const [name = '', child = '', parent = '', childColumns = '[]', parentColumns = '[]'] of keys.rows) {
    const key = {
      name,
      child,
      childColumns: JSON.parse(childColumns),
      parent,
      parentColumns: JSON.parse(parentColumns),
    };
    tables.get(child)?.references.push(key);
    tables.get(parent)?.referencedBy.push(key);
  }
  for (const table of tables.values()) table.through = throughOf(table, tables);
  for (const table of tables.values()) refuseCircle(table);
  return { syncMap, tables };
}

/** @throws SyncError SCHEMA_MISMATCH */
function throughOf(table: OpenTable, tables: ReadonlyMap<string, OpenTable>): Through | null {
  const { through } = table.rule;
  if (through === null) return null;
  const foreignKey = table.references.find(
    ({ childColumns }) => childColumns.length === 1 && childColumns[0] === through,
  );
  const parent = foreignKey && tables.get(foreignKey.parent);
  const [parentColumn] = foreignKey?.parentColumns ?? [];
  if (!parent || parentColumn === undefined || parent.keyColumns.join() !== parentColumn) {
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `The sync map says that ${table.name} belongs to a campus through ${through}, which is no foreign key to the primary key of a synced table.`,
    );
  }
  return { column: through, parent, parentColumn };
}

function refuseCircle(table: Table): void {
  const passed = new Set<Table>();
  let at: Table = table;
  for (; at.through; at = at.through.parent) {
    if (passed.has(at))
      throw new SyncError('SCHEMA_MISMATCH', `${table.name} belongs to a campus through itself.`);
    passed.add(at);
  }
  if (table.through && at.rule.scope === null) {
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${table.name} belongs to a campus through ${at.name}, which belongs to every campus.`,
    );
  }
}

/** A table while its columns are being read. */
interface OpenTable extends Table {
  columns: Map<string, Column>;
  columnNames: string[];
  keyColumns: string[];
}

function newTable(name: string, syncMap: SyncMap): OpenTable {
  const rule = syncMap.tables.get(name);
  if (!rule) throw new SyncError('SCHEMA_MISMATCH', `The sync map does not name ${name}.`);
  return {
    name,
    rule,
    columns: new Map(),
    columnNames: [],
    keyColumns: [],
    through: null,
    references: [],
    referencedBy: [],
  };
}

function checkTable(rule: TableRule, table: OpenTable | undefined): void {
  if (!table) {
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `The sync map names ${rule.table}, which the database does not have.`,
    );
  }
  table.keyColumns.sort();
  if (table.keyColumns.length === 0)
    throw new SyncError('SCHEMA_MISMATCH', `${rule.table} has no primary key.`);
  const named = [
    ...(rule.scope === null ? [] : [rule.scope]),
    ...(rule.by === null ? [] : [rule.by]),
    ...(rule.through === null ? [] : [rule.through]),
    ...Object.keys(rule.columns),
    ...rule.readOnlyColumns,
    ...Object.values(rule.unique).flatMap((unique) => (unique === 'inbox' ? [] : [unique.suffix])),
  ];
  const unknown = named.find((column) => !table.columns.has(column));
  if (unknown !== undefined) {
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `The sync map names ${rule.table}.${unknown}, which the database does not have.`,
    );
  }
  checkPolicies(rule, table);
}

/** @throws SyncError SCHEMA_MISMATCH for a policy that its column's type does not bear. */
function checkPolicies(rule: TableRule, table: OpenTable): void {
  for (const [column, policy] of Object.entries(rule.columns)) {
    const type = table.columns.get(column)?.type ?? '';
    const fits = (policy !== 'sum' || isNumberType(type)) && (policy !== 'union' || isSetType(type));
    if (!fits) {
      const wanted = policy === 'sum' ? 'a number' : 'an array or jsonb';
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `The sync map settles ${rule.table}.${column} by ${policy}, which needs ${wanted}; it is ${type}.`,
      );
    }
  }
  for (const [constraint, unique] of Object.entries(rule.unique)) {
    if (unique === 'inbox') continue;
    const type = table.columns.get(unique.suffix)?.type ?? '';
    if (!textTypes.has(type)) {
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `The sync map gives ${rule.table}.${unique.suffix} a suffix for ${constraint}, which needs text; it is ${type}.`,
      );
    }
  }
}

const textTypes = new Set(['text', 'character varying', 'citext']);
