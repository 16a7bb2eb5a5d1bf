import { quoteName } from '@skooly-edge/sync-protocol';
import type pg from 'pg';
import { type Columns, columnsOf, type Row, readRows } from './rows.ts';

export interface TableComparison {
  readonly table: string;
  readonly campusRows: number;
  readonly cloudRows: number;
  readonly differing: number;
}

export interface Difference {
  readonly table: string;
  /** Primary key, column by column. */
  readonly key: Readonly<Record<string, string | null>>;
  readonly kind: 'only_on_campus' | 'only_in_cloud' | 'differs';
  /** The columns that differ; empty when the row is on one side only. */
  readonly columns: Readonly<Record<string, { campus: string | null; cloud: string | null }>>;
}

export interface TableSides {
  readonly campus: pg.Client;
  readonly cloud: pg.Client;
  readonly scope: { readonly column: string; readonly value: string } | null;
  onDifference(difference: Difference): void;
}

/** Walks both sides in order of the primary key, as one merges two sorted lists. */
export async function compareTable(table: string, sides: TableSides): Promise<TableComparison> {
  const columns = await columnsOf(sides.campus, table);
  const where =
    sides.scope === null ? null : { sql: `${quoteName(sides.scope.column)} = $1`, value: sides.scope.value };
  const campusRows = readRows(sides.campus, table, columns, null);
  const cloudRows = readRows(sides.cloud, table, columns, where);
  const counts = { campusRows: 0, cloudRows: 0, differing: 0 };
  let onCampus = await next(campusRows);
  let inCloud = await next(cloudRows);
  while (onCampus !== null || inCloud !== null) {
    const order = compareKeys(onCampus, inCloud, columns.keyCount);
    const difference = differenceOf(
      table,
      columns,
      order <= 0 ? onCampus : null,
      order >= 0 ? inCloud : null,
    );
    if (difference !== null) {
      counts.differing += 1;
      sides.onDifference(difference);
    }
    if (order <= 0) counts.campusRows += 1;
    if (order >= 0) counts.cloudRows += 1;
    if (order <= 0) onCampus = await next(campusRows);
    if (order >= 0) inCloud = await next(cloudRows);
  }
  return { table, ...counts };
}

async function next(rows: AsyncGenerator<Row>): Promise<Row | null> {
  const { value, done } = await rows.next();
  return done ? null : value;
}

/** As Postgres orders text in the collation "C": by the bytes of its UTF-8. */
function compareKeys(a: Row | null, b: Row | null, keyCount: number): number {
  if (a === null || b === null) return a === null ? 1 : -1;
  for (let index = 0; index < keyCount; index++) {
    const order = Buffer.compare(Buffer.from(a[index] ?? ''), Buffer.from(b[index] ?? ''));
    if (order !== 0) return order;
  }
  return 0;
}

function differenceOf(
  table: string,
  columns: Columns,
  campus: Row | null,
  cloud: Row | null,
): Difference | null {
  const row = campus ?? cloud;
  if (row === null) return null;
  const key = Object.fromEntries(
    columns.names.slice(0, columns.keyCount).map((name, index) => [name, row[index] ?? null]),
  );
  if (campus === null) return { table, key, kind: 'only_in_cloud', columns: {} };
  if (cloud === null) return { table, key, kind: 'only_on_campus', columns: {} };
  const differing = columns.names
    .map((name, index) => [name, { campus: campus[index] ?? null, cloud: cloud[index] ?? null }] as const)
    .filter(([, value]) => value.campus !== value.cloud);
  return differing.length === 0
    ? null
    : { table, key, kind: 'differs', columns: Object.fromEntries(differing) };
}
