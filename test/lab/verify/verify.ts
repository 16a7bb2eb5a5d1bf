/**
 * Whether campus and cloud hold the same rows: every table of the sync map, and the conflicts, row by row, every column as the
 * text that Postgres prints. The cloud's rows are filtered to this campus; the campus is taken whole, so a row that does not
 * belong there is a difference.
 *
 * Rows are read in order and in chunks from one snapshot a side, so tables of any size fit. The two snapshots are not of one
 * moment: while something is under way, differences are real and pass; `waitSeconds` waits for them to.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readSyncMap, sessionConfig, type TableRule } from '@skooly-edge/sync-protocol';
import pg from 'pg';
import { compareTable, type Difference, type TableComparison } from './compare-table.ts';

const MAX_DIFFERENCES = 20;
const RETRY_MS = 250;

export interface VerifyOptions {
  readonly cloudUrl: string;
  readonly campusUrl: string;
  readonly syncMapFile: string;
  readonly campus: string;
  /** Transactions that the campus has not pushed; null when nobody can tell. */
  pending(): Promise<number | null>;
  readonly waitSeconds: number;
}

export interface Comparison {
  readonly equal: boolean;
  readonly pendingTransactions: number | null;
  readonly rows: number;
  readonly tables: readonly TableComparison[];
  /** The first ones. */
  readonly differences: readonly Difference[];
}

export async function compareSites(options: VerifyOptions): Promise<Comparison> {
  const deadline = Date.now() + options.waitSeconds * 1000;
  while (true) {
    const pending = await options.pending();
    const isLast = Date.now() >= deadline;
    if (pending === 0 || isLast) {
      const comparison = await compareOnce(options, pending);
      if (isLast || comparison.equal) return comparison;
    }
    await sleep(RETRY_MS);
  }
}

async function compareOnce(options: VerifyOptions, pendingTransactions: number | null): Promise<Comparison> {
  const rules = [...readSyncMap(options.syncMapFile).tables.values()];
  const differences: Difference[] = [];
  const tables = await withSnapshots(options, (campus, cloud) =>
    compareTables(rules, options.campus, { campus, cloud, differences }),
  );
  return {
    equal: tables.every((table) => table.differing === 0) && (pendingTransactions ?? 0) === 0,
    pendingTransactions,
    rows: tables.reduce((sum, table) => sum + table.campusRows, 0),
    tables,
    differences,
  };
}

async function compareTables(
  rules: readonly TableRule[],
  campusId: string,
  { campus, cloud, differences }: { campus: pg.Client; cloud: pg.Client; differences: Difference[] },
): Promise<TableComparison[]> {
  const tables: TableComparison[] = [];
  for (const rule of rules) {
    const scope = rule.scope === null ? null : { column: rule.scope, value: campusId };
    const onDifference = (difference: Difference) => {
      if (differences.length < MAX_DIFFERENCES) differences.push(difference);
    };
    tables.push(await compareTable(rule.table, { campus, cloud, scope, onDifference }));
  }
  return tables;
}

async function withSnapshots<T>(
  { campusUrl, cloudUrl }: VerifyOptions,
  use: (campus: pg.Client, cloud: pg.Client) => Promise<T>,
): Promise<T> {
  const [campus, cloud] = [campusUrl, cloudUrl].map(
    (url) => new pg.Client(sessionConfig(url, { applicationName: 'lab verify' })),
  ) as [pg.Client, pg.Client];
  for (const client of [campus, cloud]) client.on('error', () => undefined);
  try {
    await Promise.all([campus.connect(), cloud.connect()]);
    for (const client of [campus, cloud])
      await client.query('begin isolation level repeatable read read only');
    return await use(campus, cloud);
  } finally {
    await Promise.all([campus.end(), cloud.end()]);
  }
}
