/**
 * What undoing a decision writes: the values from before it, if the row still is as the decision left it. Pure. Whoever has
 * changed it since is named, and stays, unless the undo is forced.
 */
import type { Table } from '../postgres/apply/catalog.ts';
import type { Row } from '../transaction/transaction.ts';
import { isParkedDecision, type RowWrite, type StandingDecision, standingDecision } from './decision.ts';
import type { ConflictEntry } from './entry.ts';
import { DecisionError } from './errors.ts';
import { mayWrite } from './may-write.ts';
import { difference, pick } from './plan-decision.ts';

/** A decision can be undone for this long. */
export const undoDays = 30;

/** How many decisions an entry remembers. At the limit nothing is forgotten: the last one stands. */
export const maxPastDecisions = 50;

const dayMs = 86_400_000;

export interface UndoInput {
  entry: ConflictEntry;
  site: string;
  table: Table | undefined;
  current: Row | null;
  /** Overwrite what was changed since. */
  force: boolean;
  now: Date;
}

export interface UndoPlan {
  undone: StandingDecision;
  /** Null: nothing of a row has to change. */
  write: RowWrite | null;
  /** The decision was the cloud's to carry out, and so is its undo. */
  inCloud: boolean;
}

/** @throws DecisionError */
export function planUndo(input: UndoInput): UndoPlan {
  const undone = checkUndo(input);
  if (isParkedDecision(undone)) return { undone, write: null, inCloud: true };
  const { wrote } = undone;
  if (!wrote) return { undone, write: null, inCloud: false };
  const { entry, table, current, site } = input;
  if (!table) throw new DecisionError('TABLE_UNKNOWN', { table: entry.table });
  const write = backOut(input, table, wrote);
  if (write) mayWrite(site, table, write, current);
  return { undone, write, inCloud: false };
}

function checkUndo({ entry, now }: UndoInput): StandingDecision {
  const standing = standingDecision(entry.decision);
  if (entry.status !== 'decided' || !standing) throw new DecisionError('NOT_DECIDED');
  if (standing.action === 'undrop') throw new DecisionError('UNDO_PENDING', { by: entry.decidedBy ?? '' });
  const at = entry.decidedAt ?? '';
  if (now.getTime() - Date.parse(at) > undoDays * dayMs)
    throw new DecisionError('UNDO_TOO_LATE', { at, days: String(undoDays) });
  if ((entry.decision?.history?.length ?? 0) >= maxPastDecisions)
    throw new DecisionError('HISTORY_FULL', { most: String(maxPastDecisions) });
  return standing;
}

function backOut(input: UndoInput, table: Table, wrote: RowWrite): RowWrite | null {
  const { current, force } = input;
  if (!force) checkUntouched(input, table, wrote);
  if (wrote.op === 'insert') return current && { op: 'delete', before: current, after: null };
  const before = wrote.before ?? {};
  if (current) return difference(current, before);
  if (wrote.op === 'delete') return { op: 'insert', before: null, after: before };
  throw new DecisionError('ROW_GONE', { table: table.name });
}

/** @throws DecisionError CHANGED_SINCE, naming who, as far as the row tells, and what. */
function checkUntouched({ current, entry }: UndoInput, table: Table, wrote: RowWrite): void {
  const left = wrote.after;
  const { by } = table.rule;
  const author = (by === null ? null : current?.[by]) ?? '?';
  const changed = (columns: string[], now: Row, then: Row | null) =>
    new DecisionError('CHANGED_SINCE', {
      by: author,
      columns: columns.join(', '),
      now: shortly(pick(now, columns)),
      decided: then ? shortly(pick(then, columns)) : '-',
    });
  if (!left) {
    if (current) throw changed(Object.keys(current), current, null);
    return;
  }
  if (!current) {
    if (wrote.op === 'insert') return;
    throw new DecisionError('ROW_GONE', { table: entry.table });
  }
  const columns = Object.keys(left).filter((name) => name !== by && (current[name] ?? null) !== left[name]);
  if (columns.length > 0) throw changed(columns, current, left);
}

const maxShownCharacters = 300;

function shortly(row: Row): string {
  const text = JSON.stringify(row);
  return text.length > maxShownCharacters ? `${text.slice(0, maxShownCharacters)}…` : text;
}
