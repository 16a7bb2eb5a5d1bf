/**
 * A small school with a table for every sort of rule: scoped and global, every policy, append-only money, a unique key that is
 * wider than a campus, a unique key within one, references, a check over two columns, a table that only comes down.
 */
import {
  type Catalog,
  type Column,
  conflictTable,
  type ForeignKey,
  parseSyncMap,
  type Row,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { ColumnType, TableDefinition } from '../database/schema.ts';

const text = 'text' as const;
const integer = 'integer' as const;

export const schoolTables: readonly TableDefinition[] = [
  {
    name: 'public.klass',
    columns: { id: text, campus: text, name: text },
    primaryKey: ['id'],
    unique: [{ name: 'klass_name_key', columns: ['campus', 'name'] }],
    published: true,
  },
  {
    name: 'public.pupil',
    columns: {
      id: text,
      campus: text,
      klass_id: text,
      name: text,
      phone: text,
      level: integer,
      matricule: text,
      updated_by: text,
    },
    primaryKey: ['id'],
    unique: [{ name: 'pupil_matricule_key', columns: ['matricule'] }],
    foreignKeys: [
      { name: 'pupil_klass_fkey', columns: ['klass_id'], parent: 'public.klass', parentColumns: ['id'] },
    ],
    published: true,
  },
  {
    name: 'public.mark',
    columns: { assessment: text, pupil_id: text, value: integer, most: integer, remark: text },
    primaryKey: ['assessment', 'pupil_id'],
    foreignKeys: [
      { name: 'mark_pupil_fkey', columns: ['pupil_id'], parent: 'public.pupil', parentColumns: ['id'] },
    ],
    checks: [{ name: 'mark_value_check', holds: (row) => Number(row.value) <= Number(row.most) }],
    published: true,
  },
  {
    name: 'public.payment',
    columns: { id: text, campus: text, pupil_id: text, amount: integer, receipt: text },
    primaryKey: ['id'],
    unique: [{ name: 'payment_receipt_key', columns: ['receipt'] }],
    foreignKeys: [
      { name: 'payment_pupil_fkey', columns: ['pupil_id'], parent: 'public.pupil', parentColumns: ['id'] },
    ],
    published: true,
  },
  {
    name: 'public.notice',
    columns: { id: text, title: text, body: text, level: integer },
    primaryKey: ['id'],
    unique: [{ name: 'notice_title_key', columns: ['title'] }],
    published: true,
  },
  {
    name: 'public.purse',
    columns: { id: text, campus: text, balance: integer, lowest: integer, highest: integer, labels: 'jsonb' },
    primaryKey: ['id'],
    published: true,
  },
  {
    name: 'public.setting',
    columns: { id: text, value: text },
    primaryKey: ['id'],
    published: true,
  },
  {
    name: conflictTable,
    columns: {
      id: text,
      campus: text,
      kind: text,
      table_name: text,
      row_key: 'jsonb',
      before: 'jsonb',
      campus_value: 'jsonb',
      cloud_value: 'jsonb',
      result: 'jsonb',
      rule: 'jsonb',
      detail: text,
      parked: 'jsonb',
      status: text,
      campus_at: 'timestamptz',
      cloud_at: 'timestamptz',
      campus_by: text,
      cloud_by: text,
      campus_epoch: text,
      campus_seq: integer,
      created_at: 'timestamptz',
      decided_at: 'timestamptz',
      decided_by: text,
      decision: 'jsonb',
    },
    primaryKey: ['id'],
    published: true,
  },
];

export const schoolMap = parseSyncMap({
  version: 1,
  database: 'school',
  tables: {
    'public.klass': { scope: 'campus', policy: 'campus', unique: { klass_name_key: 'inbox' } },
    'public.pupil': {
      scope: 'campus',
      policy: 'newest',
      columns: { name: 'campus', level: 'cloud', matricule: 'inbox' },
      unique: { pupil_matricule_key: 'inbox' },
      by: 'updated_by',
    },
    'public.mark': { scope: { through: 'pupil_id' }, policy: 'inbox', columns: { remark: 'newest' } },
    'public.payment': { scope: 'campus', policy: 'inbox', appendOnly: true },
    'public.purse': {
      scope: 'campus',
      policy: 'inbox',
      columns: { balance: 'sum', lowest: 'min', highest: 'max', labels: 'union' },
    },
    'public.notice': {
      scope: null,
      policy: 'newest',
      columns: { level: 'campus' },
      unique: { notice_title_key: { suffix: 'title' } },
    },
    'public.setting': { scope: null, policy: 'cloud', direction: 'down' },
  },
});

export const schoolCatalog: Catalog = catalogOf(schoolTables);

function catalogOf(definitions: readonly TableDefinition[]): Catalog {
  const tables = new Map<string, Table>();
  for (const { name, columns, primaryKey } of definitions) {
    const rule = schoolMap.tables.get(name);
    if (!rule) throw new Error(`the sync map lacks ${name}`);
    const entries = Object.entries(columns).map(([column, type]): [string, Column] => [
      column,
      columnOf(column, type),
    ]);
    tables.set(name, {
      name,
      rule,
      columns: new Map(entries),
      columnNames: Object.keys(columns),
      keyColumns: primaryKey,
      through: null,
      references: [],
      referencedBy: [],
    });
  }
  for (const { name: child, foreignKeys = [] } of definitions) {
    for (const { name, columns: childColumns, parent, parentColumns } of foreignKeys) {
      const key: ForeignKey = { name, child, childColumns, parent, parentColumns };
      tables.get(child)?.references.push(key);
      tables.get(parent)?.referencedBy.push(key);
    }
  }
  for (const table of tables.values()) table.through = throughOf(table, tables);
  return { syncMap: schoolMap, tables };
}

function throughOf({ rule, references }: Table, tables: ReadonlyMap<string, Table>): Table['through'] {
  const key = references.find(({ childColumns }) => childColumns[0] === rule.through);
  const parent = key && tables.get(key.parent);
  return parent ? { column: rule.through ?? '', parent, parentColumn: key.parentColumns[0] ?? '' } : null;
}

/** The campus whose row it is; null: everybody's, undefined: nobody's. */
export function ownerOf(
  table: Table,
  row: Row,
  parentOf: (table: string, id: string) => Row | undefined,
): string | null | undefined {
  if (!table.through) return table.rule.scope === null ? null : row[table.rule.scope];
  const { column, parent } = table.through;
  const above = parentOf(parent.name, row[column] ?? '');
  return above && ownerOf(parent, above, parentOf);
}

function columnOf(name: string, type: ColumnType): Column {
  return { name, type, arrayable: true };
}
