/** An entry of the inbox as the rest of the code speaks of it: a row of `sync.conflict`. */
import type { Change, Row, Value } from '../transaction/transaction.ts';
import type { DecisionRecord } from './decision.ts';

export const conflictKinds = [
  'insert_exists',
  'update_differs',
  'update_missing',
  'delete_differs',
  'delete_missing',
  'delete_referenced',
  'unique_clash',
  'parent_missing',
  'check_violated',
  'column_unknown',
  'out_of_scope',
  'forbidden',
] as const;

export type ConflictKind = (typeof conflictKinds)[number];

export const conflictStatuses = ['open', 'settled', 'decided'] as const;
export type ConflictStatus = (typeof conflictStatuses)[number];

export interface ConflictEntry {
  id: string;
  campus: string;
  kind: ConflictKind;
  table: string;
  key: Row;
  before: Row | null;
  campusValue: Row | null;
  cloudValue: Row | null;
  /** What stood when the conflict was recorded. */
  result: Row | null;
  /** Column, or `*` for the whole row → policy. */
  rule: Record<string, string>;
  detail: string | null;
  /** The changes of a parked transaction; null where it is none, or too large for the inbox. */
  parked: Change[] | null;
  status: ConflictStatus;
  /** Moments as ISO 8601 with microseconds. */
  campusAt: string;
  cloudAt: string | null;
  campusBy: string | null;
  cloudBy: string | null;
  campusEpoch: string;
  campusSeq: number;
  createdAt: string;
  decidedAt: string | null;
  decidedBy: string | null;
  decision: DecisionRecord | null;
}

/** @param row A row of `sync.conflict`, every value as text. */
export function entryOf(row: Row): ConflictEntry {
  const text = (column: string) => row[column] ?? '';
  return {
    id: text('id'),
    campus: text('campus'),
    kind: text('kind') as ConflictKind,
    table: text('table_name'),
    key: parsed<Row>(row.row_key) ?? {},
    before: parsed(row.before),
    campusValue: parsed(row.campus_value),
    cloudValue: parsed(row.cloud_value),
    result: parsed(row.result),
    rule: parsed<Record<string, string>>(row.rule) ?? {},
    detail: row.detail ?? null,
    parked: parsed(row.parked),
    status: text('status') as ConflictStatus,
    campusAt: moment(row.campus_at) ?? '',
    cloudAt: moment(row.cloud_at),
    campusBy: row.campus_by ?? null,
    cloudBy: row.cloud_by ?? null,
    campusEpoch: text('campus_epoch'),
    campusSeq: Number(row.campus_seq),
    createdAt: moment(row.created_at) ?? '',
    decidedAt: moment(row.decided_at),
    decidedBy: row.decided_by ?? null,
    decision: parsed(row.decision),
  };
}

function parsed<T>(json: Value | undefined): T | null {
  return json == null ? null : (JSON.parse(json) as T);
}

/** Postgres's `2026-11-23 07:00:00.5+00` as ISO 8601. */
function moment(text: Value | undefined): string | null {
  return text == null ? null : text.replace(' ', 'T').replace(/\+00$/, 'Z');
}

const existenceKinds: readonly string[] = ['update_missing', 'delete_differs'];
const refusedKinds: readonly string[] = [
  'delete_referenced',
  'unique_clash',
  'parent_missing',
  'check_violated',
  'column_unknown',
  'out_of_scope',
  'forbidden',
];

/**
 * What is to be decided: `values` of columns, whether the row `exists`, what becomes of a `parked` transaction, or `nothing`.
 * A unique clash that the sync map settled by another value is about values: it was applied.
 */
export function questionOf(entry: ConflictEntry): 'values' | 'exists' | 'parked' | 'nothing' {
  if (existenceKinds.includes(entry.kind)) return 'exists';
  if (entry.kind === 'delete_missing') return 'nothing';
  return refusedKinds.includes(entry.kind) && '*' in entry.rule ? 'parked' : 'values';
}
