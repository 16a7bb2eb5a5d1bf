/**
 * A reconnect storm: the cable of a thousand campuses heals at the same moment, and each has a backlog for the one relay. The
 * relay is a process of its own over a Postgres of its own. A campus is the box's real push client with its key, its session,
 * its TLS connection and its back-off, over a log that is made up as it is read; what a whole box does besides is left out.
 *
 * All of it shares the cores of this machine: two are meant (`taskset -c 0,1` where there are more).
 */
import { generateKeyPairSync } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  parseSyncMap,
  prepareSite,
  publicKeyText,
  sessionConfig,
  syncRole,
} from '@skooly-edge/sync-protocol';
import pg from 'pg';
import { pino } from 'pino';
import { Agent, buildConnector, fetch } from 'undici';
import { adoptNextKey, nextBoxKey } from '../../apps/appliance/src/enrol/box-key.ts';
import { RelaySession } from '../../apps/appliance/src/enrol/relay-session.ts';
import { Push } from '../../apps/appliance/src/push/push.ts';
import { type InARow, openInARow } from '../../apps/appliance/src/relay-client/in-a-row.ts';
import { RelayClient } from '../../apps/appliance/src/relay-client/relay-client.ts';
import type { SyncLog } from '../../apps/appliance/src/sync-log/sync-log.ts';
import { confirm } from '../../apps/cloud-relay/src/enrol/enrol.ts';
import { freePort } from '../lab/ports/free-port.ts';
import { startPostgres } from '../lab/postgres/postgres.ts';
import type { Launched } from '../lab/processes/kept-process.ts';
import { launchServer } from '../lab/processes/node-process.ts';
import { programs } from '../lab/world/layout.ts';
import { httpsUrl } from '../lab/world/world.ts';
import { makeAuthority } from '../support/certificates.ts';
import { schema, syncMap, tables } from './school-mix.ts';
import { campusName, expectedPrint, printOf, StormLog, stormSeed } from './storm-school.ts';

/** As the tests of a shared server agree on. */
const syncPassword = 'chain-test';
const pollMs = 50;
const limitMs = 900_000;

const targets = { slowestToMedian: 3, relayPeakMebibytes: 512, errors: 0 };

export interface StormOptions {
  campuses: number;
  /** Of each campus; two make a transaction. */
  changes: number;
  /** An empty database, as its superuser reaches it. */
  databaseUrl: string;
}

export interface StormResult {
  bench: 'storm';
  campuses: number;
  changes: number;
  cores: number;
  /** Seconds from the moment that all cables healed to "all of it acknowledged", of the campuses. */
  seconds: { first: number; median: number; slowest: number };
  ours: { slowestToMedian: number; relayPeakMebibytes: number; errors: number };
  target: typeof targets;
  /** The slowest campus's time over the median. */
  ratio: number;
  met: boolean;
  changesPerSecond: number;
  relayMebibytesBefore: number;
  /** Requests, and those of them that were told to come later. */
  requests: number;
  later: number;
}

/** Over a Postgres of its own, as the lab sets one up. */
export async function benchStormAlone(
  size: Pick<StormOptions, 'campuses' | 'changes'>,
  report: (line: string) => void,
): Promise<StormResult> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-storm-postgres-'));
  chmodSync(dir, 0o755);
  const postgres = await startPostgres({ dir });
  try {
    return await benchStorm({ ...size, databaseUrl: postgres.url }, report);
  } finally {
    await postgres.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** @throws when a campus was not drained, or the cloud does not hold exactly what the campuses wrote. */
export async function benchStorm(
  options: StormOptions,
  report: (line: string) => void,
): Promise<StormResult> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-storm-'));
  const cloud = new pg.Client(sessionConfig(options.databaseUrl, { applicationName: 'bench' }));
  await cloud.connect();
  let relay: Launched | null = null;
  try {
    report(`${options.campuses} campuses`);
    await prepare(cloud, options);
    const port = await freePort();
    relay = await startRelay(dir, options.databaseUrl, port);
    const boxes = await enrolAll(cloud, dir, options.campuses, port);
    await followersOf(cloud, options.campuses);
    const before = memoryOf(relay.pid);
    report(`${options.changes} changes of each, all at once`);
    const storm = await runStorm(boxes, options);
    const { peakMebibytes } = memoryOf(relay.pid);
    await requireWhole(cloud, options);
    return summary(options, storm, { peakMebibytes, beforeMebibytes: before.mebibytes });
  } finally {
    await relay?.stop();
    await cloud.end();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function prepare(cloud: pg.Client, { campuses, databaseUrl }: StormOptions): Promise<void> {
  await cloud.query(schema + stormSeed(campuses));
  const map = parseSyncMap(syncMap);
  await prepareSite({ adminUrl: databaseUrl, site: 'cloud', syncMap: map, password: syncPassword });
}

async function startRelay(dir: string, databaseUrl: string, port: number): Promise<Launched> {
  const database = new URL(databaseUrl);
  [database.username, database.password] = [syncRole, syncPassword];
  const [mapFile, keyFile] = [join(dir, 'sync-map.json'), join(dir, 'signing-key.pem')];
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + 86_400_000) };
  const authority = makeAuthority('storm', validity);
  const { certificate, privateKey: tlsKey } = authority.issue(['127.0.0.1'], validity);
  writeFileSync(join(dir, 'ca.pem'), authority.certificate);
  writeFileSync(join(dir, 'cert.pem'), certificate);
  writeFileSync(join(dir, 'tls-key.pem'), tlsKey, { mode: 0o600 });
  const { privateKey } = generateKeyPairSync('ed25519');
  writeFileSync(mapFile, JSON.stringify(syncMap));
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  const env = {
    RELAY_DATABASE_URL: database.href,
    RELAY_LISTEN: `127.0.0.1:${port}`,
    RELAY_SYNC_MAP: mapFile,
    RELAY_SIGNING_KEY_FILE: keyFile,
    RELAY_TLS_CERT_FILE: join(dir, 'cert.pem'),
    RELAY_TLS_KEY_FILE: join(dir, 'tls-key.pem'),
  };
  const command = {
    name: 'relay',
    script: programs.relay,
    args: ['serve'],
    env,
    logFile: join(dir, 'relay.log'),
  };
  const { reach, close } = wayToRelay(dir);
  const health = `${httpsUrl(port)}/healthz?nonce=${'0'.repeat(16)}`;
  const answers = () =>
    reach(health)
      .then(({ ok }) => ok)
      .catch(() => false);
  try {
    return await launchServer(command, answers, () => {});
  } finally {
    await close();
  }
}

/** Of one box: connections are nobody else's. */
function wayToRelay(dir: string): { reach: typeof fetch; inARow: InARow; close(): Promise<unknown> } {
  const ca = readFileSync(join(dir, 'ca.pem'));
  const agent = new Agent({ connect: { ca } });
  const inARow = openInARow(buildConnector({ ca, allowH2: false }));
  const reach: typeof fetch = (url, init) => fetch(url, { ...init, dispatcher: agent });
  return { reach, inARow, close: () => Promise.all([agent.destroy(), inARow.close()]) };
}

/** Keys of their own, confirmed as an administrator does; the pairing codes are left out, which cost a while each on purpose. */
async function enrolAll(cloud: pg.Client, dir: string, campuses: number, port: number): Promise<Box[]> {
  const relayUrl = new URL(httpsUrl(port));
  const boxes: Box[] = [];
  for (let index = 0; index < campuses; index++) {
    const campus = campusName(index);
    const stateDir = join(dir, campus);
    mkdirSync(stateDir);
    const { publicKey, fingerprint } = nextBoxKey(stateDir);
    adoptNextKey(stateDir);
    await cloud.query(
      `INSERT INTO sync.box_key (fingerprint, campus, public_key, state) VALUES ($1, $2, $3, 'pending')`,
      [fingerprint, campus, publicKeyText(publicKey)],
    );
    await confirm(cloud, { campus, by: 'the bench', fingerprint });
    const { reach, inARow, close } = wayToRelay(dir);
    const monotonicMs = () => performance.now();
    const session = new RelaySession({ relayUrl, campus, stateDir, fetch: reach, monotonicMs });
    const relay = new RelayClient({ relayUrl, session, fetch: reach, inARow: inARow.fetch });
    boxes.push({ campus, relayUrl, relay, close });
  }
  return boxes;
}

interface Box {
  campus: string;
  relayUrl: URL;
  relay: RelayClient;
  close(): Promise<unknown>;
}

async function followersOf(cloud: pg.Client, campuses: number): Promise<void> {
  await until(async () => {
    const { rows } = await cloud.query('SELECT count(*) AS count FROM sync.follower');
    return Number(rows[0]?.count) === campuses;
  });
}

interface Storm {
  /** Of each campus, until it was drained. */
  seconds: number[];
  requests: number;
  later: number;
  errors: string[];
}

async function runStorm(boxes: readonly Box[], { changes }: StormOptions): Promise<Storm> {
  const transactions = transactionsOf(changes);
  const storm: Storm = { seconds: [], requests: 0, later: 0, errors: [] };
  const stopWatching = watchRequests(boxes[0]?.relayUrl.origin, storm);
  const stop = new AbortController();
  const timeout = AbortSignal.timeout(limitMs);
  const logger = pino({ level: 'debug' }, { write: (line: string) => void storm.errors.push(line.trim()) });
  const begunAt = Date.now() * 1_000 - transactions;
  const startedAt = performance.now();
  const running: Promise<void>[] = [];
  const drained = boxes.map(({ campus, relay }, index) => {
    const whole = Promise.withResolvers<void>();
    const log: StormLog = new StormLog(index, transactions, begunAt, () => {
      if (log.acknowledged === log.lastSeq) whole.resolve();
    });
    const push = new Push({
      log: log as unknown as SyncLog,
      relay,
      position: (signal) => relay.sync(log.epoch, signal),
      logger: logger.child({ campus }),
      random: Math.random,
      onAcknowledged: () => {},
    });
    running.push(push.run(stop.signal));
    return whole.promise.then(() => storm.seconds.push((performance.now() - startedAt) / 1000));
  });
  try {
    await Promise.race([Promise.all(drained), aborted(timeout)]);
  } finally {
    stop.abort(new Error('the storm is over'));
    await Promise.all(running);
    stopWatching();
    await Promise.all(boxes.map(({ close }) => close()));
  }
  return storm;
}

/** Every answer of the relay and every request without one, also those that the client mends by itself. */
function watchRequests(origin: string | undefined, storm: Storm): () => void {
  const onHeaders = (message: unknown) => {
    const { request, response } = message as Watched;
    if (String(request.origin) !== origin) return;
    storm.requests++;
    const retryAfter = response.headers.some((header) => String(header).toLowerCase() === 'retry-after');
    if (response.statusCode === 429 && retryAfter) storm.later++;
    else if (response.statusCode >= 300) storm.errors.push(`${request.path}: ${response.statusCode}`);
  };
  const onError = (message: unknown) => {
    const { request, error } = message as Watched;
    if (String(request.origin) === origin) storm.errors.push(`${request.path}: ${error.message}`);
  };
  subscribe('undici:request:headers', onHeaders);
  subscribe('undici:request:error', onError);
  return () => {
    unsubscribe('undici:request:headers', onHeaders);
    unsubscribe('undici:request:error', onError);
  };
}

interface Watched {
  request: { origin: string | URL; path: string };
  response: { statusCode: number; headers: (Buffer | string)[] };
  error: Error;
}

/** @throws when a row, a cursor or a stamp is not what the campuses' logs make it, or anything was in conflict. */
async function requireWhole(cloud: pg.Client, { campuses, changes }: StormOptions): Promise<void> {
  const transactions = transactionsOf(changes);
  const seqs = `SELECT count(*) AS count FROM sync.cursor WHERE seq = ${transactions}`;
  const { rows: cursors } = await cloud.query(seqs);
  if (Number(cursors[0]?.count) !== campuses) throw new Error('not every cursor stands at its end');
  const stamps = `SELECT count(*) AS count FROM sync.follower WHERE stamp_seq = ${transactions}`;
  await until(async () => Number((await cloud.query(stamps)).rows[0]?.count) === campuses);
  const odd = await cloud.query('SELECT FROM sync.conflict UNION ALL SELECT FROM sync.parked');
  if (odd.rowCount !== 0) throw new Error(`${odd.rowCount} conflicts or parked transactions`);
  const columns = await cloud.query<{ table_name: string; columns: string }>(
    `SELECT table_name, string_agg(column_name, ',') AS columns FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name = ANY ($1) GROUP BY table_name`,
    [tables],
  );
  const columnsOf = Object.fromEntries(columns.rows.map((row) => [row.table_name, row.columns.split(',')]));
  const { rows } = await cloud.query<{ campus: string; print: string }>(printOf(columnsOf));
  const prints = new Map(rows.map((row) => [row.campus, row.print]));
  for (let index = 0; index < campuses; index++) {
    if (prints.get(campusName(index)) !== expectedPrint(index, transactions))
      throw new Error(`the cloud does not hold what ${campusName(index)} wrote`);
  }
}

function summary(
  { campuses, changes }: StormOptions,
  storm: Storm,
  memory: { peakMebibytes: number; beforeMebibytes: number },
): StormResult {
  const sorted = storm.seconds.toSorted((a, b) => a - b);
  const [first = 0, slowest = 0] = [sorted[0], sorted.at(-1)];
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const ratio = slowest / median;
  const ours = {
    slowestToMedian: ratio,
    relayPeakMebibytes: memory.peakMebibytes,
    errors: storm.errors.length,
  };
  return {
    bench: 'storm',
    campuses,
    changes,
    cores: availableParallelism(),
    seconds: { first, median, slowest },
    ours,
    target: targets,
    ratio,
    met: (Object.keys(targets) as (keyof typeof targets)[]).every((name) => ours[name] <= targets[name]),
    changesPerSecond: Math.round((campuses * changes) / slowest),
    relayMebibytesBefore: memory.beforeMebibytes,
    requests: storm.requests,
    later: storm.later,
  };
}

const transactionsOf = (changes: number) => Math.floor(changes / 2);

function memoryOf(pid: number): { mebibytes: number; peakMebibytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mebibytes = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  return { mebibytes: mebibytes('VmRSS'), peakMebibytes: mebibytes('VmHWM') };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`the bench took more than ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
