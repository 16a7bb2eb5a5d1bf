/**
 * A resync of a large table in which few rows differ, through the whole chain as it is installed: how long one digest of the
 * table takes, how long the run, and what it moves over the cable. Beside it what a fresh copy of the table would move.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  digestRows,
  firstBits,
  originNames,
  parseSyncMap,
  readCatalog,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import pg from 'pg';
import type { ResyncReport } from '../../apps/appliance/src/resync/report.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { purge } from '../lab/world/purge.ts';

const campus = 'mvan';
const pollMs = 100;
const limitMs = 900_000;
const digestTargetSeconds = 5;

export interface ResyncResult {
  bench: 'resync';
  rows: number;
  differences: number;
  /** One digest of the whole table, on one server, as fine as the first comparison asks. */
  digestSeconds: number;
  seconds: number;
  /** Both ways over the cable, with what the link and the feed said meanwhile. */
  wireBytes: number;
  /** Text of the rows that differed. */
  differingBytes: number;
  /** 3 × the rows that differed, and 1 MB. */
  limitBytes: number;
  /** Text of the whole table: what a fresh copy moves before compression. */
  copyBytes: number;
  met: boolean;
}

const schema = `
  CREATE TABLE mark (
    id uuid PRIMARY KEY, campus_id text NOT NULL, pupil_id uuid NOT NULL, assessment_id uuid NOT NULL,
    value numeric(4,2), absent boolean NOT NULL, note text, entered_by text NOT NULL, updated_at timestamptz NOT NULL);`;

const seed = (rows: number) => `
  INSERT INTO mark
  SELECT md5('m' || n)::uuid, '${campus}', md5('p' || n % 1200)::uuid, md5('a' || n / 1200)::uuid, (n % 81) / 4.0, n % 50 = 0,
         CASE WHEN n % 10 = 0 THEN 'travail à revoir ' || n END, 'prof' || n % 60, timestamptz '2026-01-05' + n * interval '1 second'
  FROM generate_series(1, ${rows}) n;`;

const syncMap = {
  version: 1,
  database: 'bench',
  tables: { 'public.mark': { scope: 'campus_id', policy: 'newest', by: 'entered_by' } },
};

/** @throws when the sites end unequal: a fast answer that is wrong is none. */
export async function benchResync(
  rows: number,
  differences: number,
  report: (line: string) => void,
): Promise<ResyncResult> {
  const world = mkdtempSync(join(tmpdir(), 'skooly-bench-'));
  chmodSync(world, 0o755);
  const database = join(world, 'database');
  const dir = join(world, 'lab');
  mkdirSync(database);
  writeFileSync(join(database, 'schema.sql'), schema);
  writeFileSync(join(database, 'seed.sql'), seed(rows));
  writeFileSync(join(database, 'sync-map.json'), JSON.stringify(syncMap));
  const lab = await openLab({ dir, database, campus, report });
  try {
    await lab.up();
    const [here, there] = [await connect(lab, 'campus'), await connect(lab, 'cloud')];
    try {
      return await measure(lab, here, there, { rows, differences, report });
    } finally {
      await here.end();
      await there.end();
    }
  } finally {
    await lab.down();
    purge(dir);
    rmSync(world, { recursive: true, force: true });
  }
}

async function measure(
  lab: Lab,
  here: pg.Client,
  there: pg.Client,
  { rows, differences, report }: { rows: number; differences: number; report(line: string): void },
): Promise<ResyncResult> {
  await there.query('ANALYZE mark');
  const copyBytes = await textBytes(there, 'true');
  report(`one digest of ${rows} rows`);
  const digestSeconds = await timeDigest(there, rows);
  const differingBytes = await makeDifferences(here, differences);
  report(`resync of ${rows} rows with ${differences} differences`);
  const bytesBefore = cableBytes(lab);
  const startedAt = performance.now();
  const result = await resync(lab);
  const seconds = (performance.now() - startedAt) / 1000;
  const wireBytes = cableBytes(lab) - bytesBefore;
  if (result.differences !== differences || result.remaining !== 0)
    throw new Error(`the run found ${result.differences} differences and left ${result.remaining}`);
  const limitBytes = 3 * differingBytes + 1_000_000;
  const met = wireBytes <= limitBytes && digestSeconds <= digestTargetSeconds;
  return {
    bench: 'resync',
    rows,
    differences,
    digestSeconds,
    seconds,
    wireBytes,
    differingBytes,
    limitBytes,
    copyBytes,
    met,
  };
}

async function timeDigest(client: pg.Client, rows: number): Promise<number> {
  const catalog = await readCatalog(client, parseSyncMap(syncMap));
  const table = catalog.tables.get('public.mark');
  if (!table) throw new Error('the catalogue lacks public.mark');
  const source = { table, columns: [...table.columnNames].sort(), campus };
  const startedAt = performance.now();
  await digestRows(client, source, { bits: firstBits(rows), within: null });
  return (performance.now() - startedAt) / 1000;
}

/**
 * On campus, under the engine's own origin, so that nobody hears of it: half of the rows updated, a quarter deleted, a quarter
 * new. @returns the bytes of their text.
 */
async function makeDifferences(client: pg.Client, count: number): Promise<number> {
  const quarter = Math.floor(count / 4);
  const picked = await client.query<{ id: string }>(
    `SELECT id FROM mark ORDER BY hashtextextended(id::text, 3) LIMIT ${count - quarter}`,
  );
  const ids = picked.rows.map(({ id }) => id);
  const differing = await textBytes(client, 'id = ANY ($1::uuid[])', [ids]);
  const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
  await client.query('SELECT pg_replication_origin_session_setup($1)', [
    originNames(rows[0]?.name ?? '').at(-1),
  ]);
  await client.query('BEGIN');
  await client.query("SELECT pg_replication_origin_xact_setup('0/1', now())");
  await client.query('DELETE FROM mark WHERE id = ANY ($1::uuid[])', [ids.slice(0, quarter)]);
  await client.query(`UPDATE mark SET value = 20 - value, note = 'lost' WHERE id = ANY ($1::uuid[])`, [
    ids.slice(quarter),
  ]);
  await client.query(`
    INSERT INTO mark SELECT md5('new' || n)::uuid, '${campus}', md5('p')::uuid, md5('a')::uuid, 10, false, NULL, 'prof', now()
    FROM generate_series(1, ${quarter}) n`);
  await client.query('COMMIT');
  await client.query('SELECT pg_replication_origin_session_reset()');
  return differing + (await textBytes(client, `entered_by = 'prof'`));
}

async function textBytes(client: pg.Client, condition: string, values: unknown[] = []): Promise<number> {
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT coalesce(sum(octet_length(t::text)), 0) AS bytes FROM mark t WHERE ${condition}`,
    values,
  );
  return Number(rows[0]?.bytes ?? 0);
}

async function resync(lab: Lab): Promise<ResyncReport> {
  const url = `${lab.addresses().campus.admin}/resync`;
  const request = { table: null, keys: null, mode: 'policy', throttleBytesPerSecond: null };
  const headers = { 'content-type': 'application/json' };
  const begun = await fetch(url, { method: 'POST', headers, body: JSON.stringify(request) });
  if (!begun.ok) throw new Error(await begun.text());
  const deadline = performance.now() + limitMs;
  for (;;) {
    const report = (await (await fetch(url)).json()) as ResyncReport;
    if (report.state === 'done') return report;
    if (report.state !== 'running' || performance.now() > deadline)
      throw new Error(`the resync ended as ${JSON.stringify(report)}`);
    await sleep(pollMs);
  }
}

function cableBytes(lab: Lab): number {
  const { bytesUp, bytesDown } = lab.cable.status();
  return bytesUp + bytesDown;
}

async function connect(lab: Lab, side: 'campus' | 'cloud'): Promise<pg.Client> {
  const client = new pg.Client(sessionConfig(lab.addresses()[side].postgres, { applicationName: 'bench' }));
  await client.connect();
  return client;
}
