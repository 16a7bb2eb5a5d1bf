/**
 * Spoilt requests for every route that the relay has, through HTTP, to a relay with a Postgres behind it. No answer is a 5xx,
 * nothing that was refused has left a trace, and no campus's rows but the asker's own ever change.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeLines } from '@skooly-edge/sync-protocol';
import type { Client } from 'pg';
import { pino } from 'pino';
import { request } from 'undici';
import { buildServer, type ServerOptions } from '../../apps/cloud-relay/src/http/server.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { FuzzFailure, type FuzzOptions, type FuzzResult } from './failure.ts';
import { forgedLines } from './forgeries.ts';
import { oneOf, pick, type Random, spoilBytes, spoilJson } from './mutate.ts';

export interface RelayUnderFuzz {
  url: URL;
  cloud: Client;
  /** Value of the Authorization header of the campus that asks. */
  authorization(): Promise<string>;
  /** Drops what is parked and what waits for its last part: what comes next would wait behind it unjudged. */
  forget(): Promise<void>;
  /** SQL that lists every row which the asking campus may not change. */
  foreignRows: string;
}

interface Route {
  method: string;
  path: string;
}

/** One refused request of so many is looked at for what it left. */
const perLook = 10;

/** A database that is the same after this time is at rest. */
const restMs = 60;

const key = { id: '1' };
const row = { id: '1', campus: 'mvan', name: 'x' };
const epoch = 'fuzz';

/** What a right request looks like. A route that is not named here is asked with whatever fits no route in particular. */
const examples: Record<string, { query?: object; json?: object; lines?: object[] }> = {
  '/healthz': { query: { nonce: '00112233445566778899aabbccddeeff' } },
  '/v1/certificates': { query: { nonce: '00112233445566778899aabbccddeeff' } },
  '/v1/sync': { query: { epoch, feed: '0' } },
  '/v1/shape': { query: { table: 'sync.feed', offset: '-1' } },
  '/v1/seed/rows': { query: { table: 'public.house', after: JSON.stringify(key) } },
  '/v1/migrations': { query: { after: '0' } },
  '/v1/push': {
    lines: [
      { v: 1, epoch },
      {
        seq: 1,
        committedAt: 1,
        changes: [
          { table: 'public.house', key, op: 'insert', before: null, after: row },
          {
            table: 'public.house',
            key: { id: '2' },
            op: 'update',
            before: { name: 'a' },
            after: { name: 'b' },
          },
          { table: 'public.house', key: { id: '3' }, op: 'delete', before: { ...row, id: '3' }, after: null },
        ],
      },
    ],
  },
  '/v1/restore/entries': {
    lines: [
      { v: 1, epoch },
      {
        epoch,
        seq: 1,
        stampEpoch: '',
        stampSeq: 0,
        committedAt: 1,
        lsn: 1,
        body: '{"changes":[]}',
        seal: 'AAAA',
      },
    ],
  },
  '/v1/restore/point': { json: { epochs: [epoch] } },
  '/v1/sequences': { json: { epoch, sequences: [{ name: 'public.house_id_seq', used: null, first: null }] } },
  '/v1/session': { json: { challenge: 'x', signature: 'y', campus: 'mvan' } },
  '/v1/session/challenge': { json: { campus: 'mvan', fingerprint: 'x' } },
  '/v1/enrol': { json: { campus: 'mvan', code: 'AAAAA-AAAAA', publicKey: 'x', signature: 'y' } },
};

const anything = {
  query: { table: 'public.house', epoch, after: '0' },
  json: { table: 'public.house', keys: [key], buckets: ['0'], level: 1, epoch, campus: 'bonaberi' },
};

/** Every route, asked from the server itself: a new one is fuzzed without being named. */
export async function relayRoutes(): Promise<Route[]> {
  const server = buildServer({ logger: pino({ level: 'silent' }), shape: {} } as ServerOptions);
  const routes: Route[] = [];
  // Routes are added when the server gets ready, so that this is early enough.
  server.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) if (each !== 'HEAD') routes.push({ method: each, path: url });
  });
  await server.ready();
  await server.close();
  return routes;
}

export async function fuzzRoutes(
  relay: RelayUnderFuzz,
  { seed, messages, only, onProgress }: FuzzOptions,
): Promise<FuzzResult> {
  const routes = await relayRoutes();
  const result: FuzzResult = { target: 'routes', messages: 0, accepted: 0, refused: 0 };
  const foreign = await foreignRows(relay);
  const last = only === undefined ? messages : only + 1;
  for (let index = only ?? 0; index < last; index++) {
    const random = seededRandom((Math.imul(seed, 0x9e3779b1) ^ index) >>> 0);
    const asked = await spoiltRequest(random, routes, relay, `fuzz-${seed}-${index}`);
    const looked = asked.method !== 'GET' && (only !== undefined || pick(random, perLook) === 0);
    const before = looked ? await atRest(relay.cloud) : null;
    const status = await ask(relay.url, asked);
    const fail = (what: string) =>
      new FuzzFailure(
        'routes',
        seed,
        index,
        asked.body ?? '',
        `${asked.method} ${asked.path} (${status}) ${what}`,
      );
    result.messages++;
    if (status >= 500) throw fail('is an error of the relay');
    if (status < 400) result.accepted++;
    else result.refused++;
    if (asked.method === 'GET') continue;
    if ((await foreignRows(relay)) !== foreign) throw fail('changed rows of others');
    if (status < 400) await relay.forget();
    else if (
      before !== null &&
      (await everything(relay.cloud)) !== before &&
      (await leavesTrace(relay, asked))
    )
      throw fail('was refused and left a trace');
    onProgress?.(result.messages);
  }
  return result;
}

/** Something has changed since the last look: only what changes again, in a database at rest, was this request's doing. */
async function leavesTrace(relay: RelayUnderFuzz, asked: Asked): Promise<boolean> {
  const before = await atRest(relay.cloud);
  await ask(relay.url, asked);
  return (await atRest(relay.cloud)) !== before;
}

/** The relay goes on working on what it has accepted after its answer. @returns everything, once it no longer changes. */
async function atRest(cloud: Client): Promise<string> {
  for (let before = await everything(cloud); ; ) {
    await sleep(restMs);
    const now = await everything(cloud);
    if (now === before) return now;
    before = now;
  }
}

interface Asked extends Route {
  headers: Record<string, string>;
  body: Buffer | null;
}

async function spoiltRequest(
  random: Random,
  routes: readonly Route[],
  relay: RelayUnderFuzz,
  epoch: string,
): Promise<Asked> {
  const pushes = routes.filter(({ path }) => path === '/v1/push');
  const route = oneOf(random, pick(random, 4) === 0 ? pushes : routes);
  const example = examples[route.path] ?? anything;
  const headers: Record<string, string> = {};
  if (pick(random, 10) > 0) headers.authorization = await relay.authorization();
  if (pick(random, 20) === 0)
    headers.authorization = printable(spoilBytes(random, Buffer.from(headers.authorization ?? 'Bearer x')));
  const query = new URLSearchParams(asText(spoilQuery(random, example.query ?? {})));
  const path = pick(random, 30) === 0 ? printable(spoilBytes(random, Buffer.from(route.path))) : route.path;
  const asked = { method: route.method, path: `${path}?${query}`, headers, body: null };
  if (route.method === 'GET') return asked;
  if (route.path === '/v1/push' && pick(random, 2) === 0) {
    headers['content-type'] = 'application/zstd';
    const forged = forgedLines(random, epoch).map((line) => JSON.stringify(line));
    return { ...asked, body: await encodeLines(forged) };
  }
  const lines = 'lines' in example ? ofLog(epoch, example.lines ?? []) : undefined;
  if (lines && pick(random, 10) > 0) {
    headers['content-type'] = 'application/zstd';
    return { ...asked, body: await spoiltLines(random, lines) };
  }
  headers['content-type'] = oneOf(random, [
    'application/json',
    'application/json',
    'application/zstd',
    'text/plain',
  ]);
  const json = 'json' in example ? example.json : {};
  const whole = pick(random, 5) === 0;
  return { ...asked, body: Buffer.from(whole ? JSON.stringify(json) : spoilJson(random, json ?? {})) };
}

/** The lines under a log that nobody has seen, so that none is taken for one that is applied already. */
const ofLog = (name: string, [header, ...lines]: readonly object[]): object[] => [
  { ...header, epoch: name },
  ...lines,
];

async function spoiltLines(random: Random, lines: readonly object[]): Promise<Buffer> {
  const texts = lines.map((line) => JSON.stringify(line));
  const at = pick(random, texts.length);
  texts[at] = spoilJson(random, lines[at]);
  const body = await encodeLines(texts);
  return pick(random, 5) === 0 ? spoilBytes(random, body) : body;
}

function spoilQuery(random: Random, query: object): object {
  return pick(random, 3) === 0 ? query : (JSON.parse(JSON.stringify(safely(random, query))) ?? {});
}

function safely(random: Random, query: object): object {
  try {
    const spoilt = JSON.parse(spoilJson(random, query));
    return spoilt !== null && typeof spoilt === 'object' && !Array.isArray(spoilt) ? spoilt : {};
  } catch {
    return {};
  }
}

function asText(query: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [
      name,
      String(typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 4_000),
    ]),
  );
}

const printable = (bytes: Buffer) => bytes.toString('latin1').replaceAll(/[^\x21-\x7e]/g, '~');

async function ask(url: URL, { method, path, headers, body }: Asked): Promise<number> {
  const target = new URL(url);
  const mark = path.indexOf('?');
  target.pathname = path.slice(0, mark);
  target.search = path.slice(mark);
  const answer = await request(target, { method: method as 'GET', headers, body, headersTimeout: 60_000 });
  await answer.body.dump();
  return answer.statusCode;
}

async function foreignRows({ cloud, foreignRows: rows }: RelayUnderFuzz): Promise<string> {
  const found = await cloud.query(
    `SELECT md5(coalesce(string_agg(r::text, '|' ORDER BY r::text), '')) AS md5 FROM (${rows}) r`,
  );
  return found.rows[0].md5;
}

/** What guards the doors may count knocks, and the feed writer works by itself. */
const ownWork = [
  ...['feed_position', 'feed_reader', 'feed', 'feed_day', 'follower'],
  ...['trust_log', 'session', 'pairing', 'challenge_secret', 'used_challenge'],
];

/** The version of every row that a refused request must leave as it was. */
async function everything(cloud: Client): Promise<string> {
  const { rows } = await cloud.query<{ name: string }>(
    `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND NOT (schemaname = 'sync' AND tablename = ANY ($1)) ORDER BY 1`,
    [ownWork],
  );
  const versions = rows.map(({ name }) => `SELECT '${name}', count(*), sum(xmin::text::bigint) FROM ${name}`);
  const found = await cloud.query({ text: versions.join(' UNION ALL '), rowMode: 'array' });
  return JSON.stringify(found.rows);
}
