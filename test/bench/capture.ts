/**
 * What capture costs the school's own writes: transactions per second on a campus with the appliance capturing, over those of the same
 * writers on the same Postgres without the product.
 *
 * "With" is all that the product adds: `wal_level = logical`, commit timestamps, REPLICA IDENTITY FULL, the publication, the slot and its WAL
 * sender, and the appliance as a process that writes its sync log to the same disk. "Without" is a server of its own with the
 * same other settings and none of these; its data grows as the campus's does. "Settings" is for information: a third server with the settings
 * and the replica identity of the campus, but no slot and no appliance. What it lacks against "without" is Postgres's own price, what
 * "with" lacks against it is capture's. The cable is cut, so that only capture is measured and the cloud takes no part of this machine.
 *
 * The three take turns round by round, in an order that turns too, after a checkpoint; the appliance is halted while another is
 * measured. A round is long against whatever could be put off past its end. What the log is behind with then is waited for
 * outside the measured time, and told; so is the work that the appliance puts off to quiet moments by design. Each round gives a
 * ratio; the median counts.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Transaction } from '@skooly-edge/sync-protocol';
import Database from 'better-sqlite3';
import pg from 'pg';
import type { Lab } from '../lab/lab.ts';
import { movedData } from '../lab/postgres/owner.ts';
import { type PostgresInstance, startPostgres } from '../lab/postgres/postgres.ts';
import { type Committed, tagColumns, Writer } from './capture-load.ts';
import { atRest, treeCpuMs } from './process-cpu.ts';
import { boxStatus, onBothSides, pidOf, requireEqual, until, withSchoolLab } from './school-lab.ts';
import { campus, schema, seed, syncMap } from './school-mix.ts';

const target = 0.95;

export interface CaptureSize {
  /** Of each side in each round. */
  transactions: number;
  rounds: number;
  connections: number;
}

export const captureSize: CaptureSize = { transactions: 40_000, rounds: 4, connections: 4 };

export interface CaptureResult extends CaptureSize {
  bench: 'capture';
  /** Median of the rounds, lowest and highest, in transactions per second. */
  ours: { perSecond: number; spread: [number, number] };
  peer: { name: string; perSecond: number; spread: [number, number] };
  /** The campus's settings and replica identity alone; `ratio` is its median over the peer. */
  settings: { perSecond: number; spread: [number, number]; ratio: number };
  /** Median of the ratios of the rounds. */
  ratio: number;
  ratioSpread: [number, number];
  target: number;
  met: boolean;
  /**
   * Processor time of a transaction, of Postgres with all its backends and of the appliance, until the log held it: less noisy than
   * time. The backends of the writers count on all sides. `later` is what the appliance spends on it in the quiet moment afterwards.
   */
  cpuMicroseconds: {
    with: { postgres: number; appliance: number; later: number };
    settings: { postgres: number };
    without: { postgres: number };
  };
  /** How long the log took to hold the last transaction after its commit, in the slowest round. */
  behindSeconds: number;
}

export async function benchCapture(
  size: CaptureSize,
  report: (line: string) => void,
): Promise<CaptureResult> {
  return await withSchoolLab({ report }, (lab) => measureCapture(lab, size, report));
}

/** @throws when the log does not hold exactly what was committed, or the two sides end unequal. */
export async function measureCapture(
  lab: Lab,
  size: CaptureSize,
  report: (line: string) => void,
): Promise<CaptureResult> {
  await using peer = await startServer(lab, 'without');
  await using settings = await startServer(lab, 'settings');
  await lab.cable.cut({ refuse: true });
  const result = await compare(lab, { without: peer, settings }, size, report);
  await lab.cable.heal();
  await until(async () => (await pending(lab)) === 0);
  await onBothSides(lab, requireEqual);
  return result;
}

const sides = ['without', 'settings', 'with'] as const;
type Side = (typeof sides)[number];
type OtherSide = Exclude<Side, 'with'>;
type Server = Pick<PostgresInstance, 'url' | 'pid'> & AsyncDisposable;

const productSettings = { wal_level: 'logical', track_commit_timestamp: true };
const plainSettings = { wal_level: 'replica', track_commit_timestamp: false };

/** A server beside the campus's, with what is there. */
async function startServer(lab: Lab, side: OtherSide): Promise<Server> {
  // Goes with the lab's folder, but for data that had to lie elsewhere.
  const dir = join(lab.world.layout.dir, `postgres-${side}`);
  const own = side === 'settings' ? productSettings : plainSettings;
  const { url, pid, ...server } = await startPostgres({
    dir,
    settings: { ...lab.world.postgresSettings, ...own },
  });
  const stop = async () => {
    await server.stop();
    rmSync(movedData(dir), { recursive: true, force: true });
  };
  try {
    await execute(url, schema + seed + (side === 'settings' ? wholeRowsInWal : ''));
    return { url, pid, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const wholeRowsInWal = Object.keys(syncMap.tables)
  .map((table) => `ALTER TABLE ${table} REPLICA IDENTITY FULL;`)
  .join('\n');

async function compare(
  lab: Lab,
  servers: Record<OtherSide, Server>,
  { transactions, rounds, connections }: CaptureSize,
  report: (line: string) => void,
): Promise<CaptureResult> {
  const { without, settings } = servers;
  const urls: Record<Side, string> = {
    with: lab.addresses().campus.postgres,
    without: without.url,
    settings: settings.url,
  };
  const names = Array.from({ length: connections }, (_, place) => `writer${place}`);
  const each = Math.ceil(transactions / connections);
  const warmUp = Math.ceil(each / 10);
  const perSecond: Record<Side, number[]> = { with: [], without: [], settings: [] };
  const logBefore = lastSeq(lab);
  const pid = await pidOf(lab, 'appliance');
  const writers: Record<Side, Writer[]> = { with: [], without: [], settings: [] };
  let behindSeconds = 0;
  const postgresPids = {
    with: await pidOf(lab, 'campus-postgres'),
    without: without.pid,
    settings: settings.pid,
  };
  const nothing = { with: 0, without: 0, settings: 0, appliance: 0, later: 0 };
  const cpuMs = { ...nothing };
  const spend = (side: Side, sign: 1 | -1) => {
    cpuMs[side] += sign * treeCpuMs(postgresPids[side]);
    if (side === 'with') cpuMs.appliance += sign * treeCpuMs(pid);
  };
  const run = async (side: Side, each: number) => {
    await execute(urls[side], 'CHECKPOINT');
    spend(side, -1);
    const startedAt = performance.now();
    await Promise.all(writers[side].map((writer) => writer.run(each)));
    const endedAt = performance.now();
    if (side === 'with') {
      const committed = writers.with.reduce((sum, writer) => sum + writer.committed.length, 0);
      await until(() => lastSeq(lab) - logBefore >= committed, { pollMs: 5 });
      behindSeconds = Math.max(behindSeconds, (performance.now() - endedAt) / 1000);
    }
    spend(side, 1);
    if (side === 'with') {
      cpuMs.later -= treeCpuMs(pid);
      // Nothing is put off any more.
      await until(() => touchedThrough(lab) >= lastSeq(lab));
      await atRest(pid);
      cpuMs.later += treeCpuMs(pid);
    }
    return (each * connections * 1000) / (endedAt - startedAt);
  };
  const turn = async (side: Side, each: number) => {
    if (side === 'with') return await run(side, each);
    process.kill(pid, 'SIGSTOP');
    try {
      return await run(side, each);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  };
  try {
    for (const side of sides) writers[side] = await Writer.open(urls[side], names);
    // Nobody is to pay for what is compiled and cached first.
    for (const side of sides) await turn(side, warmUp);
    behindSeconds = 0;
    Object.assign(cpuMs, nothing);
    for (let round = 0; round < rounds; round++) {
      for (const place of sides.keys()) {
        const side = sides[(place + round) % sides.length] as Side;
        perSecond[side].push(await turn(side, each));
      }
      const rate = (side: Side) => perSecond[side][round]?.toFixed(0);
      report(
        `  round ${round + 1}: ${rate('without')} a second without, ${rate('settings')} with the settings, ${rate('with')} with`,
      );
    }
    requireExactly(
      writers.with.map(({ committed }) => committed),
      names,
      transactionsAfter(lab, logBefore),
    );
  } finally {
    await Promise.allSettled(Object.values(writers).flatMap((all) => all.map((writer) => writer.end())));
  }
  const ratiosOf = (side: Side) =>
    perSecond[side].map((rate, round) => rate / (perSecond.without[round] ?? 0));
  const ratios = ratiosOf('with');
  const ratio = median(ratios);
  const aTransaction = (ms: number) => (ms * 1000) / (each * connections * rounds);
  return {
    bench: 'capture',
    transactions: each * connections,
    rounds,
    connections,
    ours: { perSecond: median(perSecond.with), spread: spread(perSecond.with) },
    peer: {
      name: 'the same Postgres without the product',
      perSecond: median(perSecond.without),
      spread: spread(perSecond.without),
    },
    settings: {
      perSecond: median(perSecond.settings),
      spread: spread(perSecond.settings),
      ratio: median(ratiosOf('settings')),
    },
    ratio,
    ratioSpread: spread(ratios),
    target,
    met: ratio >= target,
    cpuMicroseconds: {
      with: {
        postgres: aTransaction(cpuMs.with),
        appliance: aTransaction(cpuMs.appliance),
        later: aTransaction(cpuMs.later),
      },
      settings: { postgres: aTransaction(cpuMs.settings) },
      without: { postgres: aTransaction(cpuMs.without) },
    },
    behindSeconds,
  };
}

/**
 * Every committed transaction once, with its changes in order and nothing else, and each writer's in the order of their commits.
 *
 * @throws when it is otherwise
 */
export function requireExactly(
  committed: readonly (readonly Committed[])[],
  names: readonly string[],
  logged: readonly Pick<Transaction, 'changes'>[],
): void {
  const byWriter = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const { changes } of logged) {
    const written = changes.map(({ table, op, key, after }) => {
      return `${table} ${op} ${key.id} ${after?.[tagColumns[table] ?? '']}`;
    });
    const writer = written[0]?.split(' ').at(-1)?.split('-')[0] ?? '';
    const its = byWriter.get(writer);
    if (its === undefined) throw new Error(`the log holds what nobody committed: ${written.join(', ')}`);
    its.push(written.join(', '));
  }
  for (const [place, name] of names.entries()) {
    const expected = (committed[place] ?? []).map(({ changes }) => changes.join(', '));
    const found = byWriter.get(name) ?? [];
    const wrong = expected.findIndex((transaction, n) => transaction !== found[n]);
    if (wrong >= 0) throw new Error(`the log holds ${found[wrong]} in place of ${expected[wrong]}`);
    if (found.length > expected.length) throw new Error(`the log holds more of ${name} than it committed`);
  }
}

function readLog<T>(lab: Lab, read: (log: Database.Database) => T): T {
  const log = new Database(join(lab.stateDirOf(campus), 'sync-log.sqlite'), { readonly: true });
  try {
    return read(log);
  } finally {
    log.close();
  }
}

function lastSeq(lab: Lab): number {
  return readLog(lab, (log) => {
    const row = log.prepare<[], { seq: number | null }>('SELECT max(seq) AS seq FROM txn').get();
    return row?.seq ?? 0;
  });
}

function touchedThrough(lab: Lab): number {
  return readLog(lab, (log) => {
    const row = log
      .prepare<[], { value: string }>("SELECT value FROM meta WHERE name = 'touchedThrough'")
      .get();
    return Number(row?.value ?? 0);
  });
}

function transactionsAfter(lab: Lab, seq: number): Transaction[] {
  return readLog(lab, (log) =>
    log
      .prepare<[number], { body: string }>('SELECT body FROM txn WHERE seq > ? ORDER BY seq')
      .all(seq)
      .map(({ body }) => JSON.parse(body) as Transaction),
  );
}

async function pending(lab: Lab): Promise<number> {
  return (await boxStatus(lab)).sync.pendingTransactions;
}

async function execute(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const spread = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}
