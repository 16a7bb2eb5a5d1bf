/**
 * What the people of a school ask of Skooly, over a few connections that stay open: nine of ten requests read (files of the page
 * that have not changed, lists, roll calls, marks, accounts), one is a write with a key of its own. Either each connection asks as
 * soon as it is answered, or so many requests are due each second, and one that is sent late counts from when it was due.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { clientId } from '@skooly-edge/skooly/ids';
import { type Dispatcher, Pool } from 'undici';
import { hex, pick, type RandomSource } from '../lab/day/chance.ts';

export interface Ask {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  headers: Record<string, string>;
  body: string | null;
}

export interface School {
  token: string;
  /** Path → its etag, as a browser remembers it. */
  page: ReadonlyMap<string, string>;
  classes: readonly { id: string; pupilIds: readonly string[]; assessmentIds: readonly string[] }[];
  /** `YYYY-MM-DD`. */
  day: string;
}

export const paymentNote = 'banc';

/** Who answers whom: the school's users at one address. */
export interface Load {
  address: URL;
  /** The headers that every answer must carry. */
  mustCarry: Record<string, string>;
  connections: number;
  next(): Ask;
}

/** Of a hundred: 15 files of the page, 10 lists of classes, 65 reads of one class or pupil, 5 roll calls, 3 lists of marks, 2 payments. */
export function mixOf(school: School, random: RandomSource): () => Ask {
  const authorization = `Bearer ${school.token}`;
  const common = { 'accept-language': 'fr', 'accept-encoding': 'gzip, deflate, br', 'user-agent': 'bench' };
  const get = (path: string): Ask => ({
    method: 'GET',
    path,
    headers: { ...common, authorization },
    body: null,
  });
  const write = (method: 'PUT' | 'POST', path: string, body: object): Ask => {
    const keyed = { 'content-type': 'application/json', 'idempotency-key': hex(random, 24) };
    return { method, path, headers: { ...common, ...keyed, authorization }, body: JSON.stringify(body) };
  };
  const page = [...school.page];
  return () => {
    const about = pick(random, school.classes);
    const pupilId = pick(random, about.pupilIds);
    const roll = `/api/classes/${about.id}/roll-calls/${school.day}/${1 + Math.floor(random() * 4)}`;
    const marks = `/api/assessments/${pick(random, about.assessmentIds)}/marks`;
    const dice = random() * 100;
    if (dice < 15) {
      const [path, etag] = pick(random, page);
      return { method: 'GET', path, headers: { ...common, 'if-none-match': etag }, body: null };
    }
    if (dice < 20) return get('/api/me');
    if (dice < 25) return get(`/api/classes?date=${school.day}`);
    if (dice < 40) return get(`/api/classes/${about.id}/pupils`);
    if (dice < 55) return get(roll);
    if (dice < 65) return get(`/api/classes/${about.id}/assessments`);
    if (dice < 78) return get(marks);
    if (dice < 90) return get(`/api/pupils/${pupilId}/payments`);
    if (dice < 95) {
      const exceptions = [{ pupilId, status: pick(random, ['absent', 'late', 'excused']) }];
      return write('PUT', roll, { takenAt: new Date().toISOString(), exceptions });
    }
    if (dice < 98) return write('PUT', marks, { marks: [{ pupilId, value: Math.floor(random() * 80) / 4 }] });
    const [id, paidAt] = [clientId(Date.now(), random), new Date().toISOString()];
    return write('POST', '/api/payments', {
      id,
      pupilId,
      amount: 5_000,
      method: 'cash',
      paidAt,
      note: paymentNote,
    });
  };
}

/** @returns the seconds that it took. @throws at the first answer that is not what the school's people expect. */
export async function asFastAsAnswered(load: Load, requests: number): Promise<number> {
  await using users = openUsers(load);
  let sent = 0;
  const startedAt = performance.now();
  const user = async () => {
    while (sent < requests) {
      sent++;
      await users.ask(load.next());
    }
  };
  await Promise.all(Array.from({ length: load.connections }, user));
  return (performance.now() - startedAt) / 1000;
}

/**
 * The requests are due at each of the loads in turn, so that all of them feel the same machine.
 *
 * @param requests Of each load.
 * @param perSecond Of all together.
 * @returns the latencies of each load, sorted.
 * @throws at the first answer that is not what the school's people expect.
 */
export async function atRate(
  loads: readonly Load[],
  requests: number,
  perSecond: number,
): Promise<Float64Array[]> {
  await using opened = new AsyncDisposableStack();
  const ways = loads.map((load) => ({
    next: load.next,
    users: opened.use(openUsers(load)),
    latenciesMs: new Float64Array(requests),
  }));
  const asked: Promise<void>[] = [];
  const all = requests * ways.length;
  const startedAt = performance.now();
  for (let index = 0; index < all; ) {
    const dueUntil = Math.min(all, Math.ceil(((performance.now() - startedAt) / 1000) * perSecond));
    for (; index < dueUntil; index++) {
      const { next, users, latenciesMs } = ways[index % ways.length] as (typeof ways)[number];
      const [slot, dueAt] = [Math.floor(index / ways.length), startedAt + (index / perSecond) * 1000];
      const answered = users.ask(next()).then(() => {
        latenciesMs[slot] = performance.now() - dueAt;
      });
      answered.catch(() => {});
      asked.push(answered);
    }
    await sleep(1);
  }
  await Promise.all(asked);
  return ways.map(({ latenciesMs }) => latenciesMs.sort());
}

export const percentile = (sorted: Float64Array, share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

interface Users extends AsyncDisposable {
  ask(ask: Ask): Promise<void>;
}

function openUsers({ address, mustCarry, connections }: Load): Users {
  const pool = new Pool(address.origin, { connections, allowH2: false });
  return {
    ask(ask) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      pool.dispatch(ask, listener(ask, mustCarry, resolve, reject));
      return promise;
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

/** Undici's own handler in place of its `request`: as little as possible is the load's share of the machine. */
function listener(
  { method, path }: Ask,
  mustCarry: Record<string, string>,
  resolve: () => void,
  reject: (error: Error) => void,
): Dispatcher.DispatchHandler {
  return {
    onRequestStart() {},
    onResponseStart(_controller, status, headers) {
      if (status !== 200 && status !== 304)
        reject(new Error(`${method} ${path} was answered with ${status}`));
      for (const [name, value] of Object.entries(mustCarry))
        if (headers[name] !== value) reject(new Error(`${method} ${path}: ${name} is ${headers[name]}`));
    },
    onResponseData() {},
    onResponseEnd: resolve,
    onResponseError: (_controller, error) => reject(error),
  };
}
