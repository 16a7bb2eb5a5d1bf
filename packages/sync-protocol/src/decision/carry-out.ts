/**
 * Writes decisions, or takes them back, in one ordinary transaction of this site: locks the entries and their rows, has each
 * planned, writes rows and entries, and commits all of it or nothing. Captured like any write, it travels from there.
 *
 * What does not fit is reported entry by entry, and then nothing is written. A dry run writes as well, so that the database's
 * own rules are asked too, and rolls back.
 */
import type { ClientBase } from 'pg';
import type { Catalog, Table } from '../postgres/apply/catalog.ts';
import { RowsMovedError } from '../postgres/apply/row-images.ts';
import { postgresRows, type RowStore } from '../postgres/apply/row-store.ts';
import { readSite } from '../postgres/prepare/prepare.ts';
import { conflictTable } from '../sync-map/sync-map.ts';
import { type Row, rowId } from '../transaction/transaction.ts';
import { withAuthor } from './author.ts';
import type { DecisionRecord, RowWrite } from './decision.ts';
import { type ConflictEntry, type ConflictStatus, questionOf } from './entry.ts';
import { DecisionError } from './errors.ts';
import { lockDataRows, lockEntries } from './lock-rows.ts';
import { pick } from './plan-decision.ts';
import { referringTable } from './referring-table.ts';

/** More are refused: each holds locks until the last one is written. */
export const maxDecisionsAtOnce = 500;

/** How often a transaction is begun anew because a deadlock was broken, or somebody else inserted a row. */
const maxRestarts = 3;

export interface CarryOutRequest {
  ids: readonly string[];
  /** Who decides. */
  by: string;
  /** Only say what would be written. */
  dryRun?: boolean;
}

export interface Judged {
  entry: ConflictEntry;
  site: string;
  table: Table | undefined;
  current: Row | null;
}

export interface Step {
  write: RowWrite | null;
  changedSince: boolean;
  /** It is only asked for here; the cloud carries it out. */
  inCloud: boolean;
  /** How the entry is to be, given what the database made of the write. */
  entry(wrote: RowWrite | null): NewState;
}

export interface NewState {
  status: ConflictStatus;
  decidedAt: string | null;
  decidedBy: string | null;
  decision: DecisionRecord;
}

export interface EntryReport {
  id: string;
  kind: string;
  table: string;
  key: Row;
  /** As the entry is afterwards. */
  status: ConflictStatus;
  write: RowWrite | null;
  changedSince: boolean;
  /** What stood before the decision: the columns in dispute, or the row that is; null when there is no row. */
  standing: Row | null;
  inCloud: boolean;
  problem: DecisionError | null;
}

export interface CarriedOut {
  /** False for a dry run, and when an entry has a problem. */
  written: boolean;
  entries: EntryReport[];
}

/**
 * @param client With the settings of `sessionConfig` and no transaction open; its session neither replays nor has an origin.
 * @param step May throw a DecisionError: the entry's problem. May be called again for the same entry.
 * @throws DecisionError TOO_MANY
 */
export async function carryOut(
  client: ClientBase,
  catalog: Catalog,
  request: CarryOutRequest,
  step: (judged: Judged) => Step,
): Promise<CarriedOut> {
  const ids = [...new Set(request.ids.map((id) => id.toLowerCase()))];
  if (ids.length > maxDecisionsAtOnce) {
    const [count, most] = [String(ids.length), String(maxDecisionsAtOnce)];
    throw new DecisionError('TOO_MANY', { count, most });
  }
  const { site } = await readSite(client);
  for (let attempt = 1; ; attempt++) {
    await client.query('BEGIN');
    try {
      // A rule of the database that is checked at the commit would tell nobody which entry it is about.
      await client.query('SET CONSTRAINTS ALL IMMEDIATE');
      const open = { client, catalog, store: postgresRows(client, catalog), by: request.by };
      const entries = await carryOutAll(open, site, ids, step);
      const written = !request.dryRun && entries.every(({ problem }) => problem === null);
      await client.query(written ? 'COMMIT' : 'ROLLBACK');
      return { written, entries };
    } catch (error) {
      await client.query('ROLLBACK');
      if (attempt >= maxRestarts || !isRestartable(error)) throw error;
    }
  }
}

/** One transaction of this site. */
interface Open {
  client: ClientBase;
  catalog: Catalog;
  store: RowStore;
  by: string;
}

async function carryOutAll(
  open: Open,
  site: string,
  ids: readonly string[],
  step: (judged: Judged) => Step,
): Promise<EntryReport[]> {
  const entries = await lockEntries(open.client, ids);
  const rows = await lockDataRows(open.store, open.catalog, [...entries.values()]);
  const reports: EntryReport[] = [];
  for (const id of ids) {
    const entry = entries.get(id);
    if (!entry) {
      reports.push(unknownEntry(id));
      continue;
    }
    const row = rows.get(rowId(entry.table, entry.key));
    const judged = { entry, site, table: row?.table, current: row?.current ?? null };
    reports.push(await carryOutOne(open, judged, step));
    // Several entries may be about the same row.
    if (row) row.current = await readAgain(open.store, row.table, entry.key);
  }
  const decided = reports.filter(({ status, problem }) => status === 'decided' && problem === null);
  await closeEntriesAbout(
    open.client,
    decided.map(({ id }) => id),
  );
  return reports;
}

async function carryOutOne(open: Open, judged: Judged, step: (judged: Judged) => Step): Promise<EntryReport> {
  const { entry, table, current } = judged;
  const { id, kind, key, status } = entry;
  const standing = current && standingPart(entry, current);
  const nothing = { write: null, changedSince: false, inCloud: false, problem: null };
  const report: EntryReport = { id, kind, table: entry.table, key, status, standing, ...nothing };
  try {
    const { write, changedSince, inCloud, entry: newState } = step(judged);
    const wrote = write && table ? await writeRow(open, table, key, write) : null;
    const state = newState(wrote);
    await open.store.attempt(() => writeEntry(open.client, id, state));
    return { ...report, write: wrote, changedSince, inCloud, status: state.status };
  } catch (error) {
    const problem = problemOf(error);
    if (!problem) throw error;
    return { ...report, problem };
  }
}

function standingPart(entry: ConflictEntry, current: Row): Row {
  if (questionOf(entry) === 'exists') return current;
  const columns = Object.keys({ ...entry.campusValue, ...entry.cloudValue });
  return pick(
    current,
    columns.filter((name) => name in current),
  );
}

/** @returns the write as the database has it: a value may be printed otherwise than it was given. */
async function writeRow(open: Open, table: Table, key: Row, planned: RowWrite): Promise<RowWrite | null> {
  const { client, catalog, store, by } = open;
  if (planned.op === 'delete') {
    const child = await referringTable(client, catalog, table, key);
    if (child) throw new DecisionError('ROW_REFERENCED', { child, table: table.name });
  }
  return store.attempt(async () => {
    const { op, before, after } = withAuthor(table, planned, by);
    const columns = Object.keys(after ?? {});
    if (op === 'delete') await store.delete(table, [key]);
    if (op === 'update') await store.update(table, columns, [{ ...key, ...after }]);
    if (op === 'insert' && (await store.insert(table, columns, [after ?? {}])) === 0)
      throw new RowsMovedError(table.name);
    const stored = await readAgain(store, table, key);
    if (op !== 'update') return { op, before, after: stored };
    const changed = Object.keys(before ?? {}).filter((name) => stored?.[name] !== before?.[name]);
    if (changed.length === 0) return null;
    return { op, before: pick(before ?? {}, changed), after: pick(stored ?? {}, changed) };
  });
}

async function readAgain(store: RowStore, table: Table, key: Row): Promise<Row | null> {
  return (await store.read(table, [key]))[0] ?? null;
}

async function writeEntry(client: ClientBase, id: string, state: NewState): Promise<void> {
  const { status, decidedAt, decidedBy, decision } = state;
  await client.query(
    'UPDATE sync.conflict SET status = $2, decided_at = $3, decided_by = $4, decision = $5 WHERE id = $1',
    [id, status, decidedAt, decidedBy, JSON.stringify(decision)],
  );
}

/**
 * Both sites had decided these, it could not be known who was later, and now they are decided again: the entries that asked
 * which of the two decisions stands are answered by that.
 */
async function closeEntriesAbout(client: ClientBase, ids: readonly string[]): Promise<void> {
  await client.query(
    `UPDATE sync.conflict about SET status = 'decided', decided_at = c.decided_at, decided_by = c.decided_by, decision = $2
     FROM sync.conflict c
     WHERE c.id = ANY ($1::uuid[]) AND about.status = 'open' AND about.table_name = $3
       AND about.row_key ->> 'id' = c.id::text`,
    [ids, JSON.stringify({ action: 'cloud', was: 'open', wrote: null }), conflictTable],
  );
}

function unknownEntry(id: string): EntryReport {
  const problem = new DecisionError('CONFLICT_UNKNOWN', { id });
  const nothing = { write: null, changedSince: false, standing: null, inCloud: false };
  return { id, kind: '', table: '', key: {}, status: 'open', ...nothing, problem };
}

/** Integrity constraints (23), values that a type does not take (22), and what a trigger raises (P0001). */
function problemOf(error: unknown): DecisionError | null {
  if (error instanceof DecisionError) return error;
  const { code = '', message: reason = '' } = error as { code?: string; message?: string };
  if (!/^(22|23|P0001)/.test(code)) return null;
  return new DecisionError('DATABASE_REFUSED', { reason }, { cause: error });
}

function isRestartable(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return error instanceof RowsMovedError || ['40P01', '40001'].includes(code);
}
