/**
 * What capture costs the school's own writes: transactions per second on a campus with the appliance capturing, over those of the same
 * writers on the same Postgres without the product.
 *
 * "With" is all that the product adds: `wal_level = logical`, commit timestamps, REPLICA IDENTITY FULL, the publication, the slot and its WAL
 * sender, and the appliance as a process that writes its sync log to the same disk. "Without" is a server of its own with the
 * same other settings and none of these; its data grows as the campus's does. The cable is cut, so that only capture is measured
 * and the cloud takes no part of this machine.
 *
 * The two take turns round by round, each of them first every other round, after a checkpoint; the appliance is halted while
 * "without" is measured, and what it is behind with is waited for outside the measured time, and told. Each round gives a ratio;
 * the median counts.
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
import { treeCpuMs } from './process-cpu.ts';
import { boxStatus, onBothSides, requireEqual, until, withSchoolLab } from './school-lab.ts';
import { campus, schema, seed } from './school-mix.ts';

const target = 0.95;

export interface CaptureSize {
  /** Of each side in each round. */
  transactions: number;
  rounds: number;
  connections: number;
}

export const captureSize: CaptureSize = { transactions: 3_000, rounds: 15, connections: 4 };

export interface CaptureResult extends CaptureSize {
  bench: 'capture';
  /** Median of the rounds, lowest and highest, in transactions per second. */
  ours: { perSecond: number; spread: [number, number] };
  peer: { name: string; perSecond: number; spread: [number, number] };
  /** Median of the ratios of the rounds. */
  ratio: number;
  ratioSpread: [number, number];
  target: number;
  met: boolean;
  /**
   * Processor time of a transaction, of Postgres with all its backends and of the appliance, until the log held it: less noisy than
   * time. The backends of the writers count on both sides.
   */
  cpuMicroseconds: { with: { postgres: number; appliance: number }; without: { postgres: number } };
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
  const plain = await startPlain(lab);
  try {
    await lab.cable.cut({ refuse: true });
    const result = await compare(lab, plain, size, report);
    await lab.cable.heal();
    await until(async () => (await pending(lab)) === 0);
    await onBothSides(lab, requireEqual);
    return result;
  } finally {
    await plain.stop();
    rmSync(movedData(plainFolder(lab)), { recursive: true, force: true });
  }
}

/** Goes with the lab's folder, but for data that had to lie elsewhere. */
const plainFolder = ({ world }: Lab) => join(world.layout.dir, 'plain-postgres');

/** The server without the product. */
async function startPlain(lab: Lab): Promise<PostgresInstance> {
  const settings = { ...lab.world.postgresSettings, wal_level: 'replica', track_commit_timestamp: false };
  const plain = await startPostgres({ dir: plainFolder(lab), settings });
  try {
    await execute(plain.url, schema + seed);
    return plain;
  } catch (error) {
    await plain.stop();
    throw error;
  }
}

type Side = 'with' | 'without';

async function compare(
  lab: Lab,
  plain: PostgresInstance,
  { transactions, rounds, connections }: CaptureSize,
  report: (line: string) => void,
): Promise<CaptureResult> {
  const urls: Record<Side, string> = { with: lab.addresses().campus.postgres, without: plain.url };
  const names = Array.from({ length: connections }, (_, place) => `writer${place}`);
  const each = Math.ceil(transactions / connections);
  const perSecond: Record<Side, number[]> = { with: [], without: [] };
  const logBefore = lastSeq(lab);
  const pid = await pidOf(lab, 'appliance');
  const writers: Record<Side, Writer[]> = { with: [], without: [] };
  let behindSeconds = 0;
  const postgresPids = { with: await pidOf(lab, 'campus-postgres'), without: plain.pid };
  const cpuMs = { with: 0, without: 0, appliance: 0 };
  const spend = (side: Side, sign: 1 | -1) => {
    cpuMs[side] += sign * treeCpuMs(postgresPids[side]);
    if (side === 'with') cpuMs.appliance += sign * treeCpuMs(pid);
  };
  const run = async (side: Side) => {
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
    return (each * connections * 1000) / (endedAt - startedAt);
  };
  const turn = async (side: Side) => {
    if (side === 'with') return await run(side);
    process.kill(pid, 'SIGSTOP');
    try {
      return await run(side);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  };
  try {
    for (const side of ['with', 'without'] as const) writers[side] = await Writer.open(urls[side], names);
    // Nobody is to pay for what is compiled and cached first.
    for (const side of ['with', 'without'] as const) await turn(side);
    behindSeconds = 0;
    Object.assign(cpuMs, { with: 0, without: 0, appliance: 0 });
    for (let round = 0; round < rounds; round++) {
      const order: Side[] = round % 2 === 0 ? ['without', 'with'] : ['with', 'without'];
      for (const side of order) perSecond[side].push(await turn(side));
      report(
        `  round ${round + 1}: ${perSecond.without[round]?.toFixed(0)} a second without, ${perSecond.with[round]?.toFixed(0)} with`,
      );
    }
    requireExactly(
      writers.with.map(({ committed }) => committed),
      names,
      transactionsAfter(lab, logBefore),
    );
  } finally {
    await Promise.allSettled([...writers.with, ...writers.without].map((writer) => writer.end()));
  }
  const ratios = perSecond.with.map((rate, round) => rate / (perSecond.without[round] ?? 0));
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
    ratio,
    ratioSpread: spread(ratios),
    target,
    met: ratio >= target,
    cpuMicroseconds: {
      with: { postgres: aTransaction(cpuMs.with), appliance: aTransaction(cpuMs.appliance) },
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

async function pidOf(lab: Lab, name: 'appliance' | 'campus-postgres'): Promise<number> {
  const pid = (await lab.status()).processes.find((process) => process.name === name)?.pid;
  if (pid === undefined || pid === null) throw new Error(`${name} does not run`);
  return pid;
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
