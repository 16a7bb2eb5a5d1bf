/**
 * A backlog after a cut, through the whole chain as it is installed: the appliance, the cable, the relay, each a process of its
 * own. `reconcile`: a campus's, from "cable healed" to "committed in the cloud and acknowledged". `pull`: the cloud's, to "committed
 * on campus". Beside it the same backlog through Postgres's own logical replication, between the same two servers, the same way,
 * in the same run.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Lab, openLab } from '../lab/lab.ts';
import { purge } from '../lab/world/purge.ts';
import { type NativeResult, runNative } from './native.ts';
import {
  afterMorning,
  campus,
  commitBacklog,
  fingerprint,
  holdsMarker,
  morning,
  morningChanges,
  schema,
  seed,
  syncMap,
} from './school-mix.ts';

/** A cut lasts longer than the work that is done in it: everyone has come to rest before the cable is healed. */
const restMs = 3_000;

const pollMs = 5;
const limitMs = 600_000;

/** What the cloud has written is in the campus's feed to its end. */
const markersInFeed = `SELECT FROM sync.feed WHERE position('public.marker' IN body) > 0`;

const benches = {
  reconcile: { from: 'campus', to: 'cloud', target: 1 },
  pull: { from: 'cloud', to: 'campus', target: 0.7 },
} as const;

export type BacklogBench = keyof typeof benches;

export interface BacklogResult {
  bench: BacklogBench;
  changes: number;
  ours: { seconds: number; changesPerSecond: number; wireBytesPerChange: number };
  peer: { name: string; seconds: number; changesPerSecond: number; rawBytesPerChange: number };
  /** The peer's time over ours: above 1 we are faster. */
  ratio: number;
  target: number;
  met: boolean;
  /** Bytes that crossed over the raw pgoutput bytes of the same changes. */
  wireRatio: number;
}

/** @throws when either side ends unequal: a fast answer that is wrong is none. */
export async function benchBacklog(
  bench: BacklogBench,
  changes: number,
  report: (line: string) => void,
): Promise<BacklogResult> {
  const { from, to } = benches[bench];
  const world = mkdtempSync(join(tmpdir(), 'skooly-bench-'));
  chmodSync(world, 0o755);
  const database = join(world, 'database');
  const dir = join(world, 'lab');
  writeDatabase(database);
  const lab = await openLab({ dir, database, campus, report });
  try {
    await lab.up();
    report(`our chain: ${changes} changes`);
    const ours = await runOurs(lab, bench, changes);
    report(`native logical replication: ${changes} changes`);
    const native = await runNative(serverUrl(lab, from), serverUrl(lab, to), changes);
    return summary(bench, changes, ours, native);
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

async function runOurs(lab: Lab, bench: BacklogBench, changes: number): Promise<OurResult> {
  const bytes = () => lab.cable.status()[bench === 'reconcile' ? 'bytesUp' : 'bytesDown'];
  const [campusSide, cloudSide] = [await connect(lab, 'campus'), await connect(lab, 'cloud')];
  const [here, there] = bench === 'reconcile' ? [campusSide, cloudSide] : [cloudSide, campusSide];
  const isAcknowledged = async () => bench === 'pull' || (await pending(lab)) === 0;
  const isWritten = async () =>
    bench === 'reconcile'
      ? (await pending(lab)) === Math.floor(changes / 2) + 1
      : (await cloudSide.query(markersInFeed)).rowCount === 2;
  try {
    await commitBacklog(here, morningChanges, morning);
    await until(() => holdsMarker(there, morning));
    await until(isAcknowledged);
    await lab.cable.cut({ refuse: true });
    await commitBacklog(here, changes, afterMorning);
    await until(isWritten);
    await sleep(restMs);
    const bytesBefore = bytes();
    const startedAt = performance.now();
    await lab.cable.heal();
    // First the question that the peer is asked too: it costs either side next to nothing.
    await until(() => holdsMarker(there, afterMorning));
    await until(isAcknowledged);
    const seconds = (performance.now() - startedAt) / 1000;
    const wireBytes = bytes() - bytesBefore;
    const [onCampus, inCloud] = [await campusSide.query(fingerprint), await cloudSide.query(fingerprint)];
    if (JSON.stringify(onCampus.rows) !== JSON.stringify(inCloud.rows))
      throw new Error('our chain ended unequal');
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

function summary(bench: BacklogBench, changes: number, ours: OurResult, native: NativeResult): BacklogResult {
  const { target } = benches[bench];
  const ratio = native.seconds / ours.seconds;
  return {
    bench,
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
