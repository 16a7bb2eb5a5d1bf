/**
 * What the gateway costs its users: the same requests straight to Skooly and through the box's gateway to the same Skooly.
 * Once ONLINE, where Skooly in the cloud answers, and once LOCAL, where the one on the box does. Requests per second with every
 * connection busy, in turns; then the latency of either way at half the rate that Skooly alone can do, the requests going one and the other
 * way by turns: a machine that stops for a moment stops for both.
 *
 * The cable is left out of the way of the requests, so that nothing but the gateway lies between.
 */
import { chmodSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Lab, openLab } from '../lab/lab.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { purge } from '../lab/world/purge.ts';
import { httpUrl } from '../lab/world/world.ts';
import {
  asFastAsAnswered,
  atRate,
  type Load,
  mixOf,
  paymentNote,
  percentile,
  type School,
} from './gateway-load.ts';
import { pidOf } from './school-lab.ts';

const connections = 16;
/** The password of every person in a seeded school. */
const labPassword = 'craie-bleue';
const pageFiles = [
  '/',
  '/page/skooly.css',
  '/page/roll-call.css',
  '/page/skooly.js',
  '/page/sending.js',
  '/page/words.js',
];
const pollMs = 50;
const limitMs = 60_000;
const verifySeconds = 120;

const targets = { ratio: 0.8, addedP99Ms: 2 };

export interface GatewaySize {
  /** Of each way in each round. */
  requests: number;
  rounds: number;
}

/** Medians of the rounds, and the lowest and the highest. */
export interface Way {
  perSecond: number;
  perSecondSpread: [number, number];
  p50Ms: number;
  p99Ms: number;
  p99MsSpread: [number, number];
}

export interface Comparison {
  direct: Way;
  through: Way;
  /** Medians of what each round gave. */
  ratio: number;
  addedP50Ms: number;
  addedP99Ms: number;
  /** Of the rounds: on a busy machine it says more than the median. */
  addedP99MsSpread: [number, number];
  /** What a request costs the box's process more when it comes through the gateway: less noisy than time. */
  cpuMicroseconds: number;
}

export interface GatewayResult extends GatewaySize {
  bench: 'gateway';
  online: Comparison;
  local: Comparison;
  /** The worse of the two. */
  ours: { ratio: number; addedP99Ms: number };
  peer: { name: string };
  ratio: number;
  target: typeof targets;
  met: boolean;
}

/** @throws when an answer is not Skooly's, a payment is not there exactly once, or the sites end unequal. */
export async function benchGateway(
  size: GatewaySize,
  report: (line: string) => void,
): Promise<GatewayResult> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-bench-'));
  chmodSync(dir, 0o755);
  const straightToCloud: Record<string, string> = {};
  const lab = await openLab({ dir, report, env: { appliance: straightToCloud } });
  straightToCloud.EDGE_CLOUD_APP_URL = httpUrl(lab.world.ports.cloudSkooly);
  try {
    await lab.up();
    return await measureGateway(lab, size, report);
  } finally {
    await lab.down();
    purge(dir);
  }
}

export async function measureGateway(
  lab: Lab,
  size: GatewaySize,
  report: (line: string) => void,
): Promise<GatewayResult> {
  const { cloud, campus } = lab.addresses();
  await stateIs(lab, 'ONLINE');
  report('ONLINE: Skooly in the cloud');
  const pid = await pidOf(lab, 'appliance');
  const online = await compare({ ...cloud, pid, gateway: campus.gateway, site: 'cloud' }, size, report);
  // What was written in the cloud is to be on the box when it writes the same rows.
  await requireEqual(lab);
  await lab.cable.cut({ refuse: true });
  await stateIs(lab, 'LOCAL');
  report('LOCAL: Skooly on the box');
  const local = await compare({ ...campus, pid, site: 'box' }, size, report);
  await lab.cable.heal();
  await requireEqual(lab);
  const ours = {
    ratio: Math.min(online.ratio, local.ratio),
    addedP99Ms: Math.max(online.addedP99Ms, local.addedP99Ms),
  };
  return {
    bench: 'gateway',
    ...size,
    online,
    local,
    ours,
    peer: { name: 'straight to Skooly' },
    ratio: ours.ratio,
    target: targets,
    met: ours.ratio >= targets.ratio && ours.addedP99Ms <= targets.addedP99Ms,
  };
}

async function requireEqual(lab: Lab): Promise<void> {
  const { equal } = await lab.verify({ waitSeconds: verifySeconds });
  if (!equal) throw new Error('the sites ended unequal');
}

interface Place {
  skooly: string | null;
  postgres: string;
  gateway: string;
  site: 'cloud' | 'box';
  /** Of the appliance. */
  pid: number;
}

async function compare(
  place: Place,
  { requests, rounds }: GatewaySize,
  report: (line: string) => void,
): Promise<Comparison> {
  const { skooly, gateway, site } = place;
  if (skooly === null) throw new Error('this lab has no Skooly');
  const database = new pg.Client({ connectionString: place.postgres });
  await database.connect();
  try {
    const school = await readSchool(database, skooly);
    const random = seededRandom(1);
    let payments = await countPayments(database);
    const next = mixOf(school, random);
    const counted = () => {
      const ask = next();
      if (ask.path === '/api/payments') payments += 1;
      return ask;
    };
    const direct: Load = { address: new URL(skooly), mustCarry: {}, connections, next: counted };
    const mustCarry = { 'x-skooly-edge-site': site };
    const through: Load = { ...direct, address: new URL(gateway), mustCarry };
    // Neither way is to pay for what is compiled and connected first.
    for (const load of [direct, through]) await asFastAsAnswered(load, requests);
    const busy = { direct: [] as number[], through: [] as number[] };
    const cpuMs = { direct: 0, through: 0 };
    for (let round = 0; round < rounds; round++) {
      for (const [name, load] of inTurns({ direct, through }, round)) {
        const cpuBefore = cpuMsOf(place.pid);
        busy[name].push(requests / (await asFastAsAnswered(load, requests)));
        cpuMs[name] += cpuMsOf(place.pid) - cpuBefore;
      }
      report(
        `  round ${round + 1}: ${busy.direct.at(-1)?.toFixed(0)} a second, through the gateway ${busy.through.at(-1)?.toFixed(0)}`,
      );
    }
    const perSecond = median(busy.direct) / 2;
    const calm = { direct: [] as Float64Array[], through: [] as Float64Array[] };
    for (let round = 0; round < rounds; round++) {
      const both = inTurns({ direct, through }, round);
      const loads = both.map(([, load]) => load);
      for (const [place, latenciesMs] of (await atRate(loads, requests, perSecond)).entries())
        calm[(both[place] as (typeof both)[number])[0]].push(latenciesMs);
    }
    if ((await countPayments(database)) !== payments) throw new Error('a payment is not there exactly once');
    const addedP99s = added(calm, 0.99);
    return {
      direct: wayOf(busy.direct, calm.direct),
      through: wayOf(busy.through, calm.through),
      ratio: median(busy.through.map((rate, round) => rate / (busy.direct[round] ?? 0))),
      addedP50Ms: median(added(calm, 0.5)),
      addedP99Ms: median(addedP99s),
      addedP99MsSpread: [Math.min(...addedP99s), Math.max(...addedP99s)],
      cpuMicroseconds: ((cpuMs.through - cpuMs.direct) * 1000) / (rounds * requests),
    };
  } finally {
    await database.end();
  }
}

/** Direct first and through first by turns, so that a machine that gets slower favours neither. */
function inTurns<T>(loads: Record<'direct' | 'through', T>, round: number): ['direct' | 'through', T][] {
  const order = [['direct', loads.direct] as const, ['through', loads.through] as const];
  return (round % 2 === 0 ? order : order.toReversed()).map(([name, load]) => [name, load]);
}

/** Of each round. */
function added({ direct, through }: Record<'direct' | 'through', Float64Array[]>, share: number): number[] {
  const none = new Float64Array();
  return through.map((sorted, round) => percentile(sorted, share) - percentile(direct[round] ?? none, share));
}

/** Of all its threads, as the kernel counts them, in ticks of 10 ms. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function wayOf(perSecond: readonly number[], latencies: readonly Float64Array[]): Way {
  const p99s = latencies.map((sorted) => percentile(sorted, 0.99));
  return {
    perSecond: median(perSecond),
    perSecondSpread: [Math.min(...perSecond), Math.max(...perSecond)],
    p50Ms: median(latencies.map((sorted) => percentile(sorted, 0.5))),
    p99Ms: median(p99s),
    p99MsSpread: [Math.min(...p99s), Math.max(...p99s)],
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

async function countPayments(database: pg.Client): Promise<number> {
  const { rows } = await database.query('SELECT count(*) FROM payment WHERE note = $1', [paymentNote]);
  return Number(rows[0]?.count);
}

/** The director may do everything. */
async function readSchool(database: pg.Client, skooly: string): Promise<School> {
  const { rows } = await database.query<{ login: string }>(
    `SELECT login FROM staff WHERE campus_id = 'mvan' AND role = 'director' AND active LIMIT 1`,
  );
  const login = { login: rows[0]?.login, password: labPassword };
  const headers = { 'content-type': 'application/json' };
  const entered = await fetch(`${skooly}/api/login`, {
    method: 'POST',
    headers,
    body: JSON.stringify(login),
  });
  const { token } = (await entered.json()) as { token: string };
  const read = async <T>(path: string) => {
    const answer = await fetch(`${skooly}${path}`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`GET ${path} was answered with ${answer.status}`);
    return (await answer.json()) as T;
  };
  const day = new Date().toISOString().slice(0, 10);
  const classes = await read<{ id: string }[]>(`/api/classes?date=${day}`);
  const page = await Promise.all(
    pageFiles.map(async (path) => {
      const answer = await fetch(`${skooly}${path}`);
      await answer.body?.cancel();
      return [path, answer.headers.get('etag') ?? ''] as const;
    }),
  );
  return {
    token,
    page: new Map(page),
    day,
    classes: await Promise.all(
      classes.map(async ({ id }) => ({
        id,
        pupilIds: (await read<{ id: string }[]>(`/api/classes/${id}/pupils`)).map((pupil) => pupil.id),
        assessmentIds: (await read<{ id: string }[]>(`/api/classes/${id}/assessments`)).map((its) => its.id),
      })),
    ),
  };
}

async function stateIs(lab: Lab, state: string): Promise<void> {
  const deadline = performance.now() + limitMs;
  while ((await lab.status()).state !== state) {
    if (performance.now() > deadline) throw new Error(`the link is not ${state}`);
    await sleep(pollMs);
  }
}

export const gatewaySize: GatewaySize = { requests: 3_000, rounds: 5 };

export function gatewayText(result: GatewayResult): string {
  const rows = (['online', 'local'] as const).map((state) => {
    const { direct, through, ratio, addedP50Ms, addedP99Ms, addedP99MsSpread, cpuMicroseconds } =
      result[state];
    const [least, most] = addedP99MsSpread.map((ms) => ms.toFixed(1));
    const [low, high] = through.perSecondSpread;
    return [
      `${state.padEnd(8)}${direct.perSecond.toFixed(0).padStart(6)}/s straight, ${through.perSecond.toFixed(0)}/s through the gateway `,
      `(${low.toFixed(0)}–${high.toFixed(0)}): ratio ${ratio.toFixed(2)}\n`,
      `        at half that rate p50 +${addedP50Ms.toFixed(2)} ms, p99 ${direct.p99Ms.toFixed(1)} ms straight, `,
      `${addedP99Ms.toFixed(2)} ms added (${least} to ${most}); ${cpuMicroseconds.toFixed(0)} µs of processor a request\n`,
    ].join('');
  });
  const { ours, target, met, requests, rounds } = result;
  return [
    `\ngateway, ${rounds} rounds of ${requests} requests each way\n`,
    ...rows,
    `ratio ${ours.ratio.toFixed(2)} (target ${target.ratio}), p99 ${ours.addedP99Ms.toFixed(2)} ms added (limit ${target.addedP99Ms}), `,
    `${met ? 'met' : 'not met'}\n`,
  ].join('');
}

export function gatewayRow({ online, local, ours, target, met }: GatewayResult): string[] {
  const rates = [online, local].map(
    ({ direct, through }) => `${through.perSecond.toFixed(0)} against ${direct.perSecond.toFixed(0)}`,
  );
  return [
    'gateway',
    `online ${rates[0]}, local ${rates[1]} requests/s; p99 + ${ours.addedP99Ms.toFixed(1)} ms (≤ ${target.addedP99Ms})`,
    `${ours.ratio.toFixed(2)} (≥ ${target.ratio})`,
    met ? 'yes' : 'no',
    '',
  ];
}
