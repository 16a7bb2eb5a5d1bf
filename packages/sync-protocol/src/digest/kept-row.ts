/** What a resync overwrites is kept as a settled conflict, so that it can be looked at and put back. */
import { createHash } from 'node:crypto';
import type { Row } from '../transaction/transaction.ts';

export interface KeptRow {
  /** Id of the run. */
  resync: string;
  campus: string;
  table: string;
  key: Row;
  campusRow: Row | null;
  cloudRow: Row | null;
  winner: 'campus' | 'cloud';
  /** ISO 8601. */
  at: string;
}

/** The rule that such conflicts name. */
export const resyncRule = 'resync';

/** @returns a row of `sync.conflict`; the same one, but for its time, for the same row of the same run. */
export function keptConflict({ resync, campus, table, key, winner, at, ...rows }: KeptRow): Row {
  const columns = differingColumns(rows.campusRow, rows.cloudRow);
  const [campusValue, cloudValue] = [part(rows.campusRow, columns), part(rows.cloudRow, columns)];
  return {
    id: idOf(resync, table, key),
    campus,
    kind: kindOf(rows.campusRow, rows.cloudRow),
    table_name: table,
    row_key: JSON.stringify(key),
    before: null,
    campus_value: json(campusValue),
    cloud_value: json(cloudValue),
    result: json(winner === 'campus' ? campusValue : cloudValue),
    rule: JSON.stringify({ '*': resyncRule }),
    detail: `A resync found the sites different; the ${winner}'s row stands.`,
    status: 'settled',
    campus_at: at,
    cloud_at: at,
    campus_by: campus,
    cloud_by: 'cloud',
    campus_epoch: resync,
    campus_seq: '0',
    created_at: at,
  };
}

function kindOf(campusRow: Row | null, cloudRow: Row | null): string {
  if (campusRow && cloudRow) return 'update_differs';
  return campusRow ? 'update_missing' : 'delete_differs';
}

/** Of rows that both sites have, the columns that differ; otherwise all. */
function differingColumns(one: Row | null, other: Row | null): (column: string) => boolean {
  if (!one || !other) return () => true;
  return (column) => column in one && column in other && one[column] !== other[column];
}

function part(row: Row | null, wanted: (column: string) => boolean): Row | null {
  return row && Object.fromEntries(Object.entries(row).filter(([column]) => wanted(column)));
}

function json(row: Row | null): string | null {
  return row && JSON.stringify(row);
}

/** UUID version 8, RFC 9562. */
function idOf(resync: string, table: string, key: Row): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([resync, table, key]))
    .digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
