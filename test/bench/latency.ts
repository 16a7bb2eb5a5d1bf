/**
 * One write at a time while the line is good: how long after its commit the other side sees it. Up is from the campus to the
 * cloud, which the target is about, and down is the other way.
 *
 * The time begins when COMMIT is sent and ends when a query on the other side finds the row, so the commit's own wait for the disk and the pause
 * between two questions are in it; both are told. Writes come at irregular moments, so that they meet every
 * phase of whatever waits in the chain.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Lab } from '../lab/lab.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { percentile } from './gateway-load.ts';
import { boxStatus, onBothSides, requireEqual, until, withSchoolLab } from './school-lab.ts';
import { campus } from './school-mix.ts';

const targetMs = 25;
const warmUp = 30;
/** Between two questions whether the row is there. */
const askPauseMs = 1;
/** Between two writes. */
const pauseMs = { least: 20, most: 120 };
const limitMs = 30_000;
/** Some of those that are there. */
const pupils = 1_000;

const write = `INSERT INTO attendance
  SELECT $1, $2, (SELECT id FROM pupil ORDER BY id OFFSET $3 LIMIT 1), now(), 'absent', 'prof1'`;
const look = { name: 'look', text: 'SELECT FROM attendance WHERE id = $1' };

export interface Delays {
  p50Ms: number;
  p99Ms: number;
  mostMs: number;
  /** Of it the commit itself, median. */
  commitMs: number;
  /** Between two questions on the other side, median: the delay is known no better than that. */
  resolutionMs: number;
}

export interface LatencyResult {
  bench: 'latency';
  samples: number;
  /** p50 of the way up. */
  ours: number;
  peer: string;
  ratio: number;
  target: number;
  met: boolean;
  up: Delays;
  down: Delays;
}

export async function benchLatency(samples: number, report: (line: string) => void): Promise<LatencyResult> {
  return await withSchoolLab({ report }, (lab) => measureLatency(lab, samples, report));
}

/** @throws when a row does not arrive, or the two sides end unequal. */
export async function measureLatency(
  lab: Lab,
  samples: number,
  report: (line: string) => void,
): Promise<LatencyResult> {
  await until(async () => (await boxStatus(lab)).state === 'ONLINE');
  return await onBothSides(lab, async (site) => {
    const { campusSide, cloudSide } = site;
    report(`${samples} writes from the campus to the cloud`);
    const up = await delays(campusSide, cloudSide, samples);
    report(`${samples} writes from the cloud to the campus`);
    const down = await delays(cloudSide, campusSide, samples);
    await until(async () => (await boxStatus(lab)).sync.pendingTransactions === 0);
    await requireEqual(site);
    return {
      bench: 'latency',
      samples,
      ours: up.p50Ms,
      peer: `${targetMs} ms`,
      ratio: up.p50Ms / targetMs,
      target: targetMs,
      met: up.p50Ms <= targetMs,
      up,
      down,
    };
  });
}

async function delays(from: pg.Client, to: pg.Client, samples: number): Promise<Delays> {
  const random = seededRandom(1);
  const all: Delay[] = [];
  for (let n = -Math.min(warmUp, samples); n < samples; n++) {
    await sleep(pauseMs.least + random() * (pauseMs.most - pauseMs.least));
    const delay = await once(from, to, Math.floor(random() * pupils));
    if (n >= 0) all.push(delay);
  }
  const sorted = (of: (delay: Delay) => number) => Float64Array.from(all, of).toSorted();
  const whole = sorted(({ ms }) => ms);
  return {
    p50Ms: percentile(whole, 0.5),
    p99Ms: percentile(whole, 0.99),
    mostMs: percentile(whole, 1),
    commitMs: percentile(
      sorted(({ commitMs }) => commitMs),
      0.5,
    ),
    resolutionMs: percentile(
      sorted(({ askMs }) => askMs),
      0.5,
    ),
  };
}

interface Delay {
  ms: number;
  commitMs: number;
  /** From the start of the last question in vain to the answer that found the row. */
  askMs: number;
}

async function once(from: pg.Client, to: pg.Client, pupil: number): Promise<Delay> {
  const id = randomUUID();
  await from.query('BEGIN');
  await from.query({ name: 'write', text: write, values: [id, campus, pupil] });
  const startedAt = performance.now();
  await from.query('COMMIT');
  const commitMs = performance.now() - startedAt;
  for (let askedAt = performance.now(), before = askedAt; ; before = askedAt) {
    askedAt = performance.now();
    const { rowCount } = await to.query({ ...look, values: [id] });
    const now = performance.now();
    if (rowCount === 1) return { ms: now - startedAt, commitMs, askMs: now - before };
    if (now - startedAt > limitMs) throw new Error(`a row did not arrive within ${limitMs} ms`);
    await sleep(askPauseMs);
  }
}
