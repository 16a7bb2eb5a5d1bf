/**
 * Holds a day's ledger against both databases, once they are at rest. Each acknowledged write must be found: a row that
 * is only added exactly as it was, at both sites; a column that was written at both sites alike, holding what was
 * acknowledged last, or else that value is named in a row of sync.conflict. Uncertain writes may be found or not.
 * It reads; it waits for nothing and repairs nothing.
 */
import pg from 'pg';
import { type ConflictRow, columnHistory, judgeColumn } from './judge.ts';
import type { DayLedger, LedgerWrite } from './ledger.ts';

export interface Difference {
  why: 'missing' | 'sites differ' | 'not what was acknowledged';
  table: string;
  id: string;
  column: string | null;
  expected: string | null;
  campus: string | null;
  cloud: string | null;
  /** The request of the last acknowledged write. */
  key: string | null;
}

export interface LedgerReport {
  ok: boolean;
  /** Rows that were looked at, and acknowledged writes that were accounted for, by kind. */
  rows: number;
  acknowledged: Record<string, number>;
  uncertain: number;
  /** Columns or rows whose acknowledged value gave way to another, and is named in a conflict. */
  settledByConflict: number;
  differences: number;
  firstDifferences: Difference[];
}

export type Row = Record<string, string | null>;

const differencesShown = 20;
const rowsPerQuery = 2_000;

export async function verifyLedger(
  ledger: DayLedger,
  urls: { cloudDatabaseUrl: string; campusDatabaseUrl: string },
): Promise<LedgerReport> {
  const cloud = await openText(urls.cloudDatabaseUrl);
  const campus = await openText(urls.campusDatabaseUrl);
  try {
    const found: LedgerReport = {
      ok: true,
      rows: 0,
      acknowledged: {},
      uncertain: 0,
      settledByConflict: 0,
      differences: 0,
      firstDifferences: [],
    };
    const conflicts = await readConflicts(cloud);
    for (const [table, writesOf] of writesByTableAndRow(ledger.writes)) {
      const ids = [...writesOf.keys()];
      const [atCloud, atCampus] = await Promise.all([
        readRows(cloud, table, ids),
        readRows(campus, table, ids),
      ]);
      for (const [id, writes] of writesOf) {
        const both = { cloud: atCloud.get(id) ?? null, campus: atCampus.get(id) ?? null };
        checkRow(found, { writes, both, conflicts: conflicts.get(`${table}/${id}`) ?? [] });
      }
    }
    found.ok = found.differences === 0;
    return found;
  } finally {
    await Promise.all([cloud.end(), campus.end()]);
  }
}

interface Checked {
  writes: readonly LedgerWrite[];
  both: { cloud: Row | null; campus: Row | null };
  conflicts: readonly ConflictRow[];
}

function checkRow(found: LedgerReport, { writes, both, conflicts }: Checked): void {
  const [first] = writes;
  if (!first) return;
  const acknowledged = writes.filter(({ outcome }) => outcome === 'acknowledged');
  found.rows += 1;
  found.uncertain += writes.length - acknowledged.length;
  for (const { kind } of acknowledged) found.acknowledged[kind] = (found.acknowledged[kind] ?? 0) + 1;
  const about = { table: first.table, id: first.rowKey.id, key: acknowledged.at(-1)?.key ?? null };
  const unlike = differingColumn(both.campus, both.cloud);
  if (unlike !== undefined) {
    const sides = { campus: both.campus?.[unlike] ?? null, cloud: both.cloud?.[unlike] ?? null };
    note(found, { ...about, ...sides, why: 'sites differ', column: unlike, expected: null });
    return;
  }
  const row = both.cloud;
  if (acknowledged.length > 0 && row === null && first.mode === 'append' && conflicts.length === 0) {
    note(found, { ...about, why: 'missing', column: null, expected: null, campus: null, cloud: null });
    return;
  }
  for (const [column, history] of columnHistory(writes)) {
    const value = row?.[column] ?? null;
    const verdict = judgeColumn({ column, history, value, conflicts });
    if (verdict.judgement === 'settled by conflict') found.settledByConflict += 1;
    if (verdict.judgement !== 'lost') continue;
    const { expected, key } = verdict;
    note(found, {
      ...about,
      key,
      why: 'not what was acknowledged',
      column,
      expected,
      campus: value,
      cloud: value,
    });
  }
}

function note(found: LedgerReport, difference: Difference): void {
  found.differences += 1;
  if (found.firstDifferences.length < differencesShown) found.firstDifferences.push(difference);
}

/** The first column in which two rows differ; a row that is missing differs in its id. */
function differingColumn(a: Row | null, b: Row | null): string | undefined {
  if (a === null || b === null) return a === b ? undefined : 'id';
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].find((column) => a[column] !== b[column]);
}

function writesByTableAndRow(writes: readonly LedgerWrite[]): Map<string, Map<string, LedgerWrite[]>> {
  const tables = new Map<string, Map<string, LedgerWrite[]>>();
  for (const write of writes) {
    const rows = tables.get(write.table) ?? new Map<string, LedgerWrite[]>();
    rows.set(write.rowKey.id, [...(rows.get(write.rowKey.id) ?? []), write]);
    tables.set(write.table, rows);
  }
  return tables;
}

/** A connection that hands out Postgres text as it stands, in UTC. */
async function openText(connectionString: string): Promise<pg.Client> {
  const types = { getTypeParser: () => (value: string) => value } as unknown as pg.CustomTypesConfig;
  const client = new pg.Client({ connectionString, types, application_name: 'skooly day verify' });
  await client.connect();
  await client.query("set TimeZone = 'UTC'; set DateStyle = 'ISO'");
  return client;
}

async function readRows(client: pg.Client, table: string, ids: readonly string[]): Promise<Map<string, Row>> {
  const name = table.split('.').map(pg.escapeIdentifier).join('.');
  const rows = new Map<string, Row>();
  for (let start = 0; start < ids.length; start += rowsPerQuery) {
    const part = ids.slice(start, start + rowsPerQuery);
    const found = await client.query<Row>(`select * from ${name} where id = any($1::uuid[])`, [part]);
    for (const row of found.rows) rows.set(String(row.id), row);
  }
  return rows;
}

async function readConflicts(client: pg.Client): Promise<Map<string, ConflictRow[]>> {
  const conflicts = new Map<string, ConflictRow[]>();
  const there = await client.query<Row>("select to_regclass('sync.conflict') as name");
  if (there.rows[0]?.name === null) return conflicts;
  const { rows } = await client.query<Row>(
    `select kind, table_name, row_key, jsonb_build_array(before, campus_value, cloud_value, result) as values
     from sync.conflict`,
  );
  for (const row of rows) {
    const { id } = JSON.parse(row.row_key ?? '{}') as { id?: string };
    const table = row.table_name?.includes('.') ? row.table_name : `public.${row.table_name}`;
    const conflict: ConflictRow = { kind: row.kind ?? '', values: JSON.parse(row.values ?? '[]') };
    const key = `${table}/${id}`;
    conflicts.set(key, [...(conflicts.get(key) ?? []), conflict]);
  }
  return conflicts;
}
