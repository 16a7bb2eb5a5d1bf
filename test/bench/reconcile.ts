/**
 * A campus's backlog after a cut, from "cable healed" to "committed in the cloud and acknowledged", through the whole chain
 * as it is installed: the appliance, the cable, the relay, each a process of its own. Beside it the same backlog through
 * Postgres's own logical replication, between the same two servers, in the same run.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Lab, openLab } from '../lab/lab.ts';
import { purge } from '../lab/world/purge.ts';
import { type NativeResult, runNative } from './native.ts';
import { campus, commitBacklog, fingerprint, schema, seed, syncMap } from './school-mix.ts';

const pollMs = 5;
const limitMs = 600_000;
const target = 1;

export interface ReconcileResult {
  bench: 'reconcile';
  changes: number;
  ours: { seconds: number; changesPerSecond: number; wireBytesPerChange: number };
  peer: { name: string; seconds: number; changesPerSecond: number; rawBytesPerChange: number };
  /** The peer's time over ours: above 1 we are faster. */
  ratio: number;
  target: number;
  met: boolean;
  /** Bytes up over the raw pgoutput bytes of the same changes. */
  wireRatio: number;
}

/** @throws when either side ends unequal: a fast answer that is wrong is none. */
export async function benchReconcile(
  changes: number,
  report: (line: string) => void,
): Promise<ReconcileResult> {
  const world = mkdtempSync(join(tmpdir(), 'skooly-bench-'));
  chmodSync(world, 0o755);
  const database = join(world, 'database');
  const dir = join(world, 'lab');
  writeDatabase(database);
  const lab = await openLab({ dir, database, campus, report });
  try {
    await lab.up();
    report(`our chain: ${changes} changes`);
    const ours = await runOurs(lab, changes);
    report(`native logical replication: ${changes} changes`);
    const native = await runNative(serverUrl(lab, 'campus'), serverUrl(lab, 'cloud'), changes);
    return summary(changes, ours, native);
  } finally {
    await lab.down();
    purge(dir);
    rmSync(world, { recursive: true, force: true });
  }
}

interface OurResult {
  seconds: number;
  wireBytes: number;
}

async function runOurs(lab: Lab, changes: number): Promise<OurResult> {
  await lab.cable.cut({ refuse: true });
  const [campusSide, cloudSide] = [await connect(lab, 'campus'), await connect(lab, 'cloud')];
  try {
    await commitBacklog(campusSide, changes);
    const transactions = Math.floor(changes / 2) + 1;
    await until(async () => (await pending(lab)) === transactions);
    const bytesBefore = lab.cable.status().bytesUp;
    const startedAt = performance.now();
    await lab.cable.heal();
    await until(async () => (await pending(lab)) === 0);
    const seconds = (performance.now() - startedAt) / 1000;
    const wireBytes = lab.cable.status().bytesUp - bytesBefore;
    const [here, there] = [await campusSide.query(fingerprint), await cloudSide.query(fingerprint)];
    if (JSON.stringify(here.rows) !== JSON.stringify(there.rows)) throw new Error('our chain ended unequal');
    return { seconds, wireBytes };
  } finally {
    await campusSide.end();
    await cloudSide.end();
  }
}

async function pending(lab: Lab): Promise<number> {
  const response = await fetch(`${lab.addresses().campus.admin}/status`);
  const { sync } = (await response.json()) as { sync: { pendingTransactions: number } };
  return sync.pendingTransactions;
}

function summary(changes: number, ours: OurResult, native: NativeResult): ReconcileResult {
  const ratio = native.seconds / ours.seconds;
  return {
    bench: 'reconcile',
    changes,
    ours: {
      seconds: ours.seconds,
      changesPerSecond: Math.round(changes / ours.seconds),
      wireBytesPerChange: ours.wireBytes / changes,
    },
    peer: {
      name: 'native logical replication',
      seconds: native.seconds,
      changesPerSecond: Math.round(changes / native.seconds),
      rawBytesPerChange: native.rawBytes / changes,
    },
    ratio,
    target,
    met: ratio >= target,
    wireRatio: ours.wireBytes / native.rawBytes,
  };
}

function writeDatabase(folder: string): void {
  mkdirSync(folder);
  writeFileSync(join(folder, 'schema.sql'), schema);
  writeFileSync(join(folder, 'seed.sql'), seed);
  writeFileSync(join(folder, 'sync-map.json'), JSON.stringify(syncMap));
}

function serverUrl(lab: Lab, side: 'campus' | 'cloud'): string {
  const url = new URL(lab.addresses()[side].postgres);
  url.pathname = '/postgres';
  return url.href;
}

async function connect(lab: Lab, side: 'campus' | 'cloud'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: lab.addresses()[side].postgres });
  await client.connect();
  return client;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`the bench took more than ${limitMs} ms`);
    await sleep(pollMs);
  }
}
