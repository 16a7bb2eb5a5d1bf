/**
 * What of a feed entry this campus's schema has a place for, and what not: the cloud may be migrations ahead, and an entry
 * may have been made before this campus migrated. Pure; nothing is left out of both halves.
 */
import type { Catalog, Change, Correction, FeedEntry, Row, Table } from '@skooly-edge/sync-protocol';

/** What was kept for a row, in the order of the entry. */
export type UnknownStep =
  /** These columns have no place here. */
  | { kind: 'keep'; table: string; key: Row; values: Row }
  /** The row is gone: what was kept for it has no meaning any more. */
  | { kind: 'forget'; table: string; key: Row };

/** Everything that an entry says of one table that has no place here. */
export interface UnknownPart {
  table: string;
  changes: Change[];
  corrections: Correction[];
}

export interface SplitEntry {
  /** The entry itself when all of it has a place. */
  known: FeedEntry;
  steps: UnknownStep[];
  parts: UnknownPart[];
}

export function splitUnknown(catalog: Catalog, entry: FeedEntry): SplitEntry {
  const steps: UnknownStep[] = [];
  const parts = new Map<string, UnknownPart>();
  const partOf = (table: string): UnknownPart => {
    const part = parts.get(table) ?? { table, changes: [], corrections: [] };
    parts.set(table, part);
    return part;
  };
  const changes = entry.changes.flatMap((change) => {
    const table = placeOf(catalog, change);
    if (table) return knownChange(table, change, steps);
    partOf(change.table).changes.push(change);
    return [];
  });
  const corrections = entry.corrections.flatMap((correction) => {
    const table = placeOf(catalog, correction);
    if (table) return knownCorrection(table, correction, steps);
    partOf(correction.table).corrections.push(correction);
    return [];
  });
  const whole = parts.size === 0 && !steps.some(({ kind }) => kind === 'keep');
  return { known: whole ? entry : { ...entry, changes, corrections }, steps, parts: [...parts.values()] };
}

/** A table whose primary key is another one here has no place for the row as a whole. */
function placeOf(catalog: Catalog, { table: name, key }: { table: string; key: Row }): Table | null {
  const table = catalog.tables.get(name);
  const fits =
    table?.keyColumns.length === Object.keys(key).length && table.keyColumns.every((column) => column in key);
  return table && fits ? table : null;
}

function knownChange(table: Table, change: Change, steps: UnknownStep[]): Change[] {
  const row = { table: change.table, key: change.key };
  if (change.op === 'delete') {
    steps.push({ kind: 'forget', ...row });
    return [change];
  }
  const [known, unknown] = divide(table, change.after ?? {});
  if (unknown === null) return [change];
  steps.push({ kind: 'keep', ...row, values: unknown });
  if (change.op === 'update' && Object.keys(known).length === 0) return [];
  return [{ ...change, after: known, before: change.before && divide(table, change.before)[0] }];
}

function knownCorrection(table: Table, correction: Correction, steps: UnknownStep[]): Correction[] {
  const row = { table: correction.table, key: correction.key };
  if (correction.row === null) {
    steps.push({ kind: 'forget', ...row });
    return [correction];
  }
  const [known, unknown] = divide(table, correction.row);
  if (unknown === null) return [correction];
  steps.push({ kind: 'keep', ...row, values: unknown });
  return [{ ...correction, row: known }];
}

/** @returns the second half is null when there is none, which is the usual case and costs nothing. */
function divide(table: Table, row: Row): [Row, Row | null] {
  let unknown: Row | null = null;
  for (const column of Object.keys(row)) {
    if (table.columns.has(column)) continue;
    unknown ??= {};
    unknown[column] = row[column] ?? null;
  }
  if (unknown === null) return [row, null];
  const known = Object.fromEntries(Object.entries(row).filter(([column]) => table.columns.has(column)));
  return [known, unknown];
}
