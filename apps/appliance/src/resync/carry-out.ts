/**
 * One run from its first step to its last: wait until the box has caught up, compare table by table, repair, look again.
 * Each step writes down what it has done, so that calling this again after a crash or a cut goes on where it stopped.
 *
 * Rows are put in place parents first, and taken away children first.
 */
import type { Catalog, Row, Table } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import { type CompareContext, countRows, differencesAt, differencesOf } from './compare.ts';
import { type DecidedDifference, decide } from './decide.ts';
import { type DifferenceKind, parentsFirst, repairs, type SharedTable, takesAway } from './difference.ts';
import type { LineMeter } from './line-meter.ts';
import { type OwnLog, type RepairContext, repairPart } from './repair.ts';
import { etaSeconds, type ResyncReport, type ResyncRequest } from './report.ts';
import type { ResyncRelay } from './resync-relay.ts';
import type { ResyncStore } from './resync-store.ts';

export interface CarryOutContext {
  database: Pool;
  catalog: Catalog;
  campus: string;
  relay: ResyncRelay;
  store: ResyncStore;
  meter: LineMeter;
  log: OwnLog;
  captured(signal: AbortSignal): Promise<void>;
  barrier(signal: AbortSignal): Promise<void>;
  nowMs(): number;
}

/** Rows repaired between two notes of how far the run has come. */
const notedRows = 500;

const kinds: readonly DifferenceKind[] = ['differs', 'cloud_only', 'campus_only'];

/** Changes `report` as it goes. */
export async function carryOut(
  context: CarryOutContext,
  request: ResyncRequest,
  report: ResyncReport,
  tablesDone: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await context.barrier(signal);
  const shared = await sharedTables(context, request, signal);
  await compareAll(context, request, report, shared, tablesDone, signal);
  await repairAll(context, report, shared, signal);
  await verifyAll(context, report, shared, signal);
}

/** The chosen tables that both sites have, parents first. */
export async function sharedTables(
  { catalog, relay }: Pick<CarryOutContext, 'catalog' | 'relay'>,
  { table: chosen }: Pick<ResyncRequest, 'table'>,
  signal: AbortSignal,
): Promise<SharedTable[]> {
  const answer = await relay.tables(signal);
  const theirs = new Map(answer.tables.map(({ name, columns }) => [name, new Set(columns)]));
  return parentsFirst(catalog).flatMap((name) => {
    const table = catalog.tables.get(name);
    const columns = theirs.get(name);
    if (!table || !columns || (chosen !== null && chosen !== name)) return [];
    return [{ table, columns: table.columnNames.filter((column) => columns.has(column)).sort() }];
  });
}

/** Decided differences of one table, part by part. */
export async function* decidedDifferences(
  context: CarryOutContext,
  request: ResyncRequest,
  shared: SharedTable,
  rows: number,
  signal: AbortSignal,
): AsyncGenerator<DecidedDifference[], void, void> {
  const look = compareContext(context);
  const parts = request.keys
    ? [await differencesAt(look, shared, request.keys, signal)]
    : differencesOf(look, shared, rows, signal);
  for await (const part of parts) yield await decide(context, request.mode, shared, part, signal);
}

async function compareAll(
  context: CarryOutContext,
  request: ResyncRequest,
  report: ResyncReport,
  shared: readonly SharedTable[],
  tablesDone: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { store, database } = context;
  const left = shared.filter(({ table }) => !tablesDone.includes(table.name));
  if (left.length === 0) return;
  const counts = new Map<string, number>();
  for (const { table } of left)
    counts.set(table.name, request.keys?.length ?? (await countRows(database, table)));
  const toCompare = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const done = report.rowsCompared;
  const startedAt = context.nowMs();
  report.step = 'compare';
  report.tables = shared.length;
  report.rowsTotal = done + toCompare;
  for (const one of left) {
    const { name } = one.table;
    report.table = name;
    await noteDown(context, report);
    const rows = counts.get(name) ?? 0;
    for await (const part of decidedDifferences(context, request, one, rows, signal)) {
      await store.addRows(report.id, name, part);
      report.differences += part.length;
    }
    report.rowsCompared += rows;
    report.tablesDone++;
    report.differences = (await store.counts(report.id)).rows;
    report.etaSeconds = etaSeconds(report.rowsCompared - done, toCompare, context.nowMs() - startedAt);
    await noteDown(context, report, name);
  }
}

async function repairAll(
  context: CarryOutContext,
  report: ResyncReport,
  shared: readonly SharedTable[],
  signal: AbortSignal,
): Promise<void> {
  const progress = { startedAt: context.nowMs(), before: (await context.store.counts(report.id)).repaired };
  if (report.differences === 0) return;
  report.step = 'repair';
  const passes: [readonly SharedTable[], boolean][] = [
    [shared, false],
    [[...shared].reverse(), true],
  ];
  for (const [tables, away] of passes) {
    for (const one of tables) await repairTable(context, report, one, away, progress, signal);
  }
}

async function repairTable(
  context: CarryOutContext,
  report: ResyncReport,
  shared: SharedTable,
  away: boolean,
  progress: { startedAt: number; before: number },
  signal: AbortSignal,
): Promise<void> {
  const { store } = context;
  const { table } = shared;
  report.table = table.name;
  for (const repair of repairs) {
    for (const kind of kinds) {
      if (takesAway(repair, kind) !== away) continue;
      const next = () => store.unrepaired(report.id, table, { repair, kind }, notedRows);
      for (let rows = await next(); rows.length > 0; rows = await next()) {
        await repairPart(repairContext(context), report.id, shared, repair, rows, signal);
        await store.markRepaired(
          report.id,
          table.name,
          rows.map(({ key }) => key),
        );
        report.repaired = (await store.counts(report.id)).repaired;
        const { before, startedAt } = progress;
        report.etaSeconds = etaSeconds(
          report.repaired - before,
          report.differences - before,
          context.nowMs() - startedAt,
        );
        await noteDown(context, report);
      }
    }
  }
}

/** What was repaired is looked at once more, when the repairs have arrived. */
async function verifyAll(
  context: CarryOutContext,
  report: ResyncReport,
  shared: readonly SharedTable[],
  signal: AbortSignal,
): Promise<void> {
  report.remaining = 0;
  report.etaSeconds = null;
  if (report.differences === 0) return;
  report.step = 'verify';
  await noteDown(context, report);
  await context.barrier(signal);
  let remaining = 0;
  for (const one of shared) {
    report.table = one.table.name;
    for await (const keys of repairedKeys(context.store, report.id, one.table)) {
      remaining += (await differencesAt(compareContext(context), one, keys, signal)).length;
    }
  }
  report.remaining = remaining;
}

async function* repairedKeys(
  store: ResyncStore,
  id: string,
  table: Table,
): AsyncGenerator<Row[], void, void> {
  for (let after: Row | null = null; ; ) {
    const rows = await store.allRows(id, table, after, notedRows);
    if (rows.length === 0) return;
    yield rows.map(({ key }) => key);
    after = rows.at(-1)?.key ?? null;
  }
}

async function noteDown(
  { store, meter }: CarryOutContext,
  report: ResyncReport,
  tableDone: string | null = null,
): Promise<void> {
  report.bytes = meter.bytes;
  await store.note(report, tableDone);
}

function compareContext({ database, relay, barrier, store }: CarryOutContext): CompareContext {
  return { database, relay, barrier, waitingRows: () => store.waitingRows() };
}

function repairContext(context: CarryOutContext): RepairContext {
  const { database, relay, campus, catalog, log, captured, meter } = context;
  const inbox = catalog.tables.get('sync.conflict');
  if (!inbox) throw new Error('the catalogue lacks sync.conflict');
  return {
    database,
    relay,
    campus,
    log,
    inbox,
    captured,
    spend: (bytes, signal) => meter.spend(bytes, signal),
    now: () => new Date(context.nowMs()),
  };
}
