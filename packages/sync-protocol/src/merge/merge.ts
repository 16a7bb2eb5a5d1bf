/**
 * The authority's merge: three-way and per column. A column that still is as the campus saw it takes the campus's
 * value; one that is already equal stays; anything else is a conflict, which the policy settles and which is
 * recorded. Pure: what `newest` must know of the clock is handed in.
 */
import { type Policy, policyFor, type RowPolicy, type TableRule } from '../sync-map/sync-map.ts';
import type { Change, Row } from '../transaction/transaction.ts';
import { settleColumn, type Winner } from './settle-column.ts';

export type MergeConflictKind =
  | 'insert_exists'
  | 'update_differs'
  | 'update_missing'
  | 'delete_differs'
  | 'delete_missing';

export interface MergeInput {
  change: Change;
  /** The authority's whole row; null when there is none. */
  current: Row | null;
  rule: TableRule;
  /**
   * Whether the campus's change is later than the authority's last change of this column; null names the whole row.
   * An answer of null: that cannot be known, and a person decides.
   */
  campusIsNewer(column: string | null): boolean | null;
  /** Postgres's name of a column's type, for the policies that compute; text where nothing is said. */
  typeOf?(column: string): string;
  /** The row as the authority last had it, for an update of a row that it has deleted. */
  lastKnown?: Row | null;
}

export interface MergeConflict {
  kind: MergeConflictKind;
  /** The columns that clashed. For a conflict about a row's existence: what each side holds of it. */
  before: Row | null;
  campus: Row | null;
  cloud: Row | null;
  result: Row | null;
  /** Column (or `*` for the row) → policy that settled it. */
  rule: Record<string, Policy>;
  open: boolean;
}

export interface MergeResult {
  row: Row | null;
  conflict: MergeConflict | null;
}

export function merge(input: MergeInput): MergeResult {
  const { change, current } = input;
  if (change.op === 'delete') return current ? mergeDelete(input, current) : deleteMissing(input);
  if (current) return mergeColumns(input, current);
  if (change.op === 'insert') return { row: { ...change.key, ...change.after }, conflict: null };
  return updateMissing(input);
}

/** The columns (null: the row) for which `merge` will ask `campusIsNewer`. */
export function questionsOfTime(change: Change, current: Row | null, rule: TableRule): (string | null)[] {
  if (change.op === 'delete') {
    const contested = current !== null && !holds(current, change.before);
    return contested && rule.policy === 'newest' ? [null] : [];
  }
  if (!current) return change.op === 'update' && rule.policy === 'newest' ? [null] : [];
  return contestedColumns(change, current, rule).filter(
    (column) => column !== rule.by && policyFor(rule, column) === 'newest',
  );
}

/** Both sides changed them. Of a sum also those where both changed it alike: two equal differences are two. */
function contestedColumns(change: Change, current: Row, rule: TableRule): string[] {
  return Object.keys(change.after ?? {}).filter((column) => {
    const value = change.after?.[column];
    const changedHere = change.op === 'insert' || current[column] !== change.before?.[column];
    if (current[column] !== value) return changedHere;
    return changedHere && change.op === 'update' && policyFor(rule, column) === 'sum';
  });
}

function mergeColumns(input: MergeInput, current: Row): MergeResult {
  const { change, rule } = input;
  const contested = new Set(contestedColumns(change, current, rule));
  const row = { ...current };
  const conflict = emptyConflict(change.op === 'insert' ? 'insert_exists' : 'update_differs');
  for (const [column, value] of Object.entries(change.after ?? {})) {
    if (!contested.has(column)) {
      row[column] = value;
      continue;
    }
    if (column === rule.by) continue;
    const policy = policyFor(rule, column);
    const cloud = current[column] ?? null;
    const settled = settleColumn(policy, {
      before: change.op === 'insert' ? undefined : (change.before?.[column] ?? null),
      campus: value,
      cloud,
      type: input.typeOf?.(column) ?? 'text',
      campusIsNewer: () => input.campusIsNewer(column),
    });
    row[column] = settled.value;
    if (settled.winner === 'open') conflict.open = true;
    conflict.rule[column] = policy;
    conflict.before = { ...conflict.before, [column]: change.before?.[column] ?? null };
    conflict.campus = { ...conflict.campus, [column]: value };
    conflict.cloud = { ...conflict.cloud, [column]: cloud };
    conflict.result = { ...conflict.result, [column]: settled.value };
  }
  if (change.op === 'insert') conflict.before = null;
  const clashed = Object.keys(conflict.rule).length > 0;
  if (rule.by !== null && contested.has(rule.by)) settleAuthor(rule.by, input, row, current, clashed);
  return { row, conflict: clashed ? conflict : null };
}

/** Who wrote the row is no conflict of its own: it is the campus, unless nothing of what the campus wrote stood. */
function settleAuthor(by: string, input: MergeInput, row: Row, current: Row, clashed: boolean): void {
  const nothingStood = Object.keys(row).every((column) => row[column] === current[column]);
  if (!(clashed && nothingStood)) row[by] = input.change.after?.[by] ?? null;
}

function mergeDelete(input: MergeInput, current: Row): MergeResult {
  const { change, rule } = input;
  if (holds(current, change.before)) return { row: null, conflict: null };
  const { policy } = rule;
  const winner = settle(policy, () => input.campusIsNewer(null));
  const row = winner === 'campus' ? null : current;
  return {
    row,
    conflict: {
      kind: 'delete_differs',
      before: change.before,
      campus: null,
      cloud: current,
      result: row,
      rule: { '*': policy },
      open: winner === 'open',
    },
  };
}

function deleteMissing({ change, rule }: MergeInput): MergeResult {
  return {
    row: null,
    conflict: {
      kind: 'delete_missing',
      before: change.before,
      campus: null,
      cloud: null,
      result: null,
      rule: { '*': rule.policy },
      open: false,
    },
  };
}

/** The campus changed a row that the authority deleted: it comes back only as a whole, never as a torso. */
function updateMissing(input: MergeInput): MergeResult {
  const { change, rule, lastKnown } = input;
  const { policy } = rule;
  const wanted = settle(policy, () => input.campusIsNewer(null));
  const restorable = lastKnown !== null && lastKnown !== undefined;
  const winner: Winner = wanted === 'campus' && !restorable ? 'open' : wanted;
  const row = winner === 'campus' ? { ...lastKnown, ...change.after } : null;
  return {
    row,
    conflict: {
      kind: 'update_missing',
      // The whole row, where it is known: it is what a person needs to bring the row back.
      before: { ...lastKnown, ...change.before },
      campus: change.after,
      cloud: null,
      result: row,
      rule: { '*': policy },
      open: winner === 'open',
    },
  };
}

function settle(policy: RowPolicy, campusIsNewer: () => boolean | null): Winner {
  switch (policy) {
    case 'campus':
      return 'campus';
    case 'cloud':
      return 'cloud';
    case 'newest':
      return byTime(campusIsNewer());
    case 'inbox':
      return 'open';
  }
}

function byTime(campusIsNewer: boolean | null): Winner {
  if (campusIsNewer === null) return 'open';
  return campusIsNewer ? 'campus' : 'cloud';
}

/** Whether `row` still has every value that `before` names. */
function holds(row: Row, before: Row | null): boolean {
  return Object.entries(before ?? {}).every(([column, value]) => (row[column] ?? null) === value);
}

function emptyConflict(kind: MergeConflictKind): MergeConflict {
  return { kind, before: {}, campus: {}, cloud: {}, result: {}, rule: {}, open: false };
}
