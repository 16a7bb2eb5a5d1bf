/** A lab for benches: one campus with the school mix of `school-mix.ts` and remarks of teachers in words, in place of Skooly. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Lab, type LabOptions, openLab } from '../lab/lab.ts';
import { purge } from '../lab/world/purge.ts';
import { campus, fingerprint, schema, seed, syncMap } from './school-mix.ts';

export interface Site {
  campusSide: pg.Client;
  cloudSide: pg.Client;
}

export type Env = NonNullable<LabOptions['env']>;

/** Left to the product's own defaults, in place of the lab's, which notice everything sooner. */
export const productLinkTimes = Object.fromEntries(
  ['INTERVAL', 'REST_AFTER', 'SUSPECT_INTERVAL', 'TIMEOUT', 'HOLD_DOWN_MIN', 'HOLD_DOWN_MAX']
    .map((name) => [`EDGE_LINK_${name}_MS`, ''])
    .concat([
      ['EDGE_LINK_MISSES', ''],
      ['EDGE_LINK_HITS', ''],
    ]),
) as Record<string, string>;

const remark = `
  CREATE TABLE remark (
    id uuid PRIMARY KEY, campus_id text NOT NULL, pupil_id uuid NOT NULL REFERENCES pupil, words text NOT NULL,
    written_by text NOT NULL);`;
const rule = { scope: 'campus_id', policy: 'newest' };
const extendedMap = { ...syncMap, tables: { ...syncMap.tables, 'public.remark': rule } };
const remarkPrint = `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM remark t`;

/** Starts the lab, and takes it and all that it left away when the work is done. */
export async function withSchoolLab<T>(
  { beforeUp, ...options }: Pick<LabOptions, 'env' | 'random' | 'report'> & { beforeUp?: (lab: Lab) => void },
  work: (lab: Lab) => Promise<T>,
): Promise<T> {
  const world = mkdtempSync(join(tmpdir(), 'skooly-bench-'));
  chmodSync(world, 0o755);
  const database = join(world, 'database');
  const dir = join(world, 'lab');
  mkdirSync(database);
  writeFileSync(join(database, 'schema.sql'), schema + remark);
  writeFileSync(join(database, 'seed.sql'), seed);
  writeFileSync(join(database, 'sync-map.json'), JSON.stringify(extendedMap));
  const lab = await openLab({ dir, database, campus, ...options });
  try {
    beforeUp?.(lab);
    await lab.up();
    return await work(lab);
  } finally {
    await lab.down();
    purge(dir);
    rmSync(world, { recursive: true, force: true });
  }
}

/** @throws when it does not run. */
export async function pidOf(lab: Lab, name: 'appliance' | 'relay' | 'campus-postgres'): Promise<number> {
  const pid = (await lab.status()).processes.find((process) => process.name === name)?.pid;
  if (pid === undefined || pid === null) throw new Error(`${name} does not run`);
  return pid;
}

/** Connections to both databases, for as long as the work lasts. */
export async function onBothSides<T>(lab: Lab, work: (site: Site) => Promise<T>): Promise<T> {
  const { campus: here, cloud: there } = lab.addresses();
  const campusSide = new pg.Client({ connectionString: here.postgres });
  const cloudSide = new pg.Client({ connectionString: there.postgres });
  try {
    await Promise.all([campusSide.connect(), cloudSide.connect()]);
    return await work({ campusSide, cloudSide });
  } finally {
    await Promise.allSettled([campusSide.end(), cloudSide.end()]);
  }
}

/** @throws when the two databases do not hold the same rows: a fast answer that is wrong is none. */
export async function requireEqual({ campusSide, cloudSide }: Site): Promise<void> {
  const read = async (client: pg.Client) => [
    (await client.query(fingerprint)).rows,
    (await client.query(remarkPrint)).rows,
  ];
  const [here, there] = [await read(campusSide), await read(cloudSide)];
  if (JSON.stringify(here) !== JSON.stringify(there)) throw new Error('the two sides ended unequal');
}

export interface BoxStatus {
  state: string;
  sync: { pendingTransactions: number; pendingBytes: number };
}

export async function boxStatus(lab: Lab): Promise<BoxStatus> {
  const response = await fetch(`${lab.addresses().campus.admin}/status`);
  return (await response.json()) as BoxStatus;
}

/** Looks again and again. @throws when it takes longer than `limitMs`. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  { pollMs = 20, limitMs = 600_000 }: { pollMs?: number; limitMs?: number } = {},
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`the bench waited more than ${limitMs} ms`);
    await sleep(pollMs);
  }
}

export interface Memory {
  rssBytes: number;
  /** The most that it ever was. */
  peakBytes: number;
}

/** Of a process of the lab, as the kernel says. @throws when it does not run. */
export async function memoryOf(lab: Lab, name: 'appliance' | 'relay'): Promise<Memory> {
  const status = readFileSync(`/proc/${await pidOf(lab, name)}/status`, 'utf8');
  const bytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
  return { rssBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
}
