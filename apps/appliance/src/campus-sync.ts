/**
 * The sync half of the box: capture fills the log, push drains it, pull applies the feed, seed makes the first copy.
 *
 *   local commit → WAL → capture → sync log → push → relay
 *   relay → feed → pull → follower → local Postgres
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CaptureSink,
  checkServer,
  type Inbox,
  isApplyOrigin,
  postgresInbox,
  readSite,
  type SyncMap,
  sessionConfig,
  WatchedCatalog,
} from '@skooly-edge/sync-protocol';
import { Client, Pool } from 'pg';
import type { Logger } from 'pino';
import type { fetch } from 'undici';
import { type Adopted, adoptLog } from './adopt/adopt.ts';
import { campusCapture, keepCapturing } from './capture/campus-capture.ts';
import { paced } from './capture/paced.ts';
import type { CampusClock } from './clock/campus-clock.ts';
import type { RelayAuthorization } from './enrol/relay-session.ts';
import { type MigrationAccess, Migrations } from './migrations/migrations.ts';
import { PostgresKeeper } from './migrations/unknown-keeper.ts';
import { Follower } from './pull/follower.ts';
import { PostgresCampus } from './pull/postgres-campus.ts';
import { Pull } from './pull/pull.ts';
import { Push } from './push/push.ts';
import { RelayClient, type SyncPosition } from './relay-client/relay-client.ts';
import type { RelayFetch } from './relay-client/relay-fetch.ts';
import { Repair } from './repair/repair.ts';
import { followedFeed } from './restore/followed-feed.ts';
import { Restore } from './restore/restore.ts';
import { Resync } from './resync/resync.ts';
import { Seed } from './seed/seed.ts';
import { Sequences } from './sequences/sequences.ts';
import { keepTouches } from './sync-log/keep-touches.ts';
import { defaultRetention, keepLog, type RetentionSettings } from './sync-log/retention.ts';
import { SyncLog } from './sync-log/sync-log.ts';
import { readSyncStatus, type SyncStatus, storedStatus } from './sync-status.ts';

/** How often the cloud hears at the least how far its feed is read. */
const tellReadIntervalMs = 3_600_000;

/** A new table's sequences are given this long to get numbers; then they are tended in the background. */
const sequencesTimeoutMs = 5_000;

/** A box without room looks this often whether it may fetch again. */
const roomPollMs = 1_000;

/** How often the log looks for what may go, and listens to the disk. */
const logTidyIntervalMs = 10_000;

/** How long capture may take to pass a local commit before the entries that wait for it are begun anew. */
const capturedTimeoutMs = 10_000;

export interface CampusSyncOptions {
  databaseUrl: string;
  syncMap: SyncMap;
  /** Folder of the sync log. */
  stateDir: string;
  relayUrl: URL;
  /** Proves to the relay whose box this is. */
  session: RelayAuthorization;
  /** How the relay is reached; left out, by whatever certificate the public authorities issued. */
  fetch?: typeof fetch;
  /** The same, for what is sent one behind the other over one connection. */
  fetchInARow?: RelayFetch;
  logger: Logger;
  /** What it takes to bring the schema to the cloud's; left out, this box only says when it is behind. */
  migrations?: MigrationAccess | null;
  /** When captured transactions were committed; left out, they say what Postgres says. */
  clock?: Pick<CampusClock, 'stamp' | 'boots' | 'now'>;
  /** How long and how much the log keeps of what is acknowledged. */
  retention?: RetentionSettings;
  /** Whether the disk has so little room that acknowledged transactions have to go early. */
  diskIsShort?(): boolean;
  /** Whether the disk has room for what the feed brings. While it has none, the feed waits in the cloud. */
  mayWrite?(): boolean;
  /** `HH:MM` of the daily proof that both sides are equal; left out, there is none. */
  proofAt?: string | null;
}

export interface CampusSync {
  /** Compares this campus with the cloud, and repairs. */
  readonly resync: Pick<Resync, 'start' | 'cancel' | 'plan' | 'report'>;
  /** What both sides changed, and what people decide about it. */
  readonly inbox: Inbox;
  /** The box has reason to doubt that it is equal: everything is compared and repaired once it has caught up. */
  requestResync(reason: string): Promise<void>;
  /** Every transaction of this campus: what backups keep of it. */
  readonly log: SyncLog;
  /** Takes in the log of a box that died: its file, or the folder that it lies in. */
  adopt(path: string, signal: AbortSignal): Promise<Adopted>;
  run(signal: AbortSignal): Promise<void>;
  /** The link is back: try now instead of waiting. */
  linkIsBack(): void;
  /** Resolves when what was logged is acknowledged and the feed is read to its end. */
  catchUp(signal: AbortSignal): Promise<void>;
  /** Resolves when every local commit before the call is acknowledged by the cloud. */
  drain(signal: AbortSignal): Promise<void>;
  status(): Promise<SyncStatus>;
  /** The last write to the log failed because the disk is full. */
  logFull(): boolean;
}

/** @throws SyncError when the database is not fit: not prepared, wrong settings, tables that the sync map misses. */
export async function openCampusSync(options: CampusSyncOptions): Promise<CampusSync> {
  const { databaseUrl, stateDir, relayUrl, session, logger, clock } = options;
  await inspectDatabase(databaseUrl);
  const database = new Pool({ ...sessionConfig(databaseUrl, { applicationName: 'skooly-edge' }), max: 6 });
  database.on('error', (error) => logger.warn({ err: error }, 'an idle database connection broke'));
  const now = clock ? () => clock.now() : Date.now;
  const stamp = clock && ((committedAt: number) => clock.stamp(committedAt));
  const log = SyncLog.open(stateDir, isApplyOrigin(databaseUrl), { now, stamp });
  const catalog = await openCatalog(database, options.syncMap);
  const sink: CaptureSink = {
    async append(transactions) {
      await log.append(transactions);
      for (const table of new Set(transactions.flatMap(({ truncated = [] }) => truncated)))
        void takeBack(table);
    },
  };
  const paceClock = { nowMs: () => performance.now(), pause: (ms: number) => sleep(ms) };
  const capture = campusCapture(databaseUrl, catalog, paced(sink, paceClock));
  /** What a TRUNCATE took is not gone in the cloud, and comes back. */
  const takeBack = (table: string) =>
    resync
      .start({ table, keys: null, mode: 'cloud-wins', throttleBytesPerSecond: null }, `TRUNCATE of ${table}`)
      .catch((error) =>
        logger.error({ err: error, table }, 'the rows of a truncated table did not come back'),
      );
  const relay = new RelayClient({
    relayUrl,
    session,
    feedSeq: () => pull.state.feedSeq || null,
    fetch: options.fetch,
    inARow: options.fetchInARow,
  });
  const captured = (limit: AbortSignal) => capture.passed(database, limit);
  const seed = new Seed({ databaseUrl, catalog, relay, logger });
  const migrations = new Migrations({
    published: (after, limit) => relay.migrations(after, limit),
    database,
    access: options.migrations ?? null,
    ownMap: options.syncMap,
    async onApplied() {
      await catalog.refresh();
      // A table that is new may count its keys: not by the numbers of the cloud.
      await sequences.tend(AbortSignal.timeout(sequencesTimeoutMs)).catch(() => {});
    },
    logger,
    random: Math.random,
  });
  const sequences = new Sequences({
    database,
    catalog,
    epoch: log.epoch,
    ask: (question, limit) => relay.sequences(question, limit),
    logger,
  });
  const unknown = new PostgresKeeper(() => migrations.restart());
  const store = new PostgresCampus({ databaseUrl, catalog, keeper: unknown, logger });
  const follower = new Follower({
    store,
    log,
    captured: (limit) => captured(AbortSignal.any([limit, AbortSignal.timeout(capturedTimeoutMs)])),
    onDrift(table, key, seq) {
      logger.warn({ table, key, seq }, 'the feed changes a row that is not here');
      void lookAtDrift();
    },
  });
  /** While the first copy is made consistent, changes of rows that have not come yet are nothing odd. */
  const lookAtDrift = async () => {
    if (resync.report?.state === 'running' || !(await storedStatus(database)).ready) return;
    await resync.request('the feed changed a row that is not here');
  };
  const stopping = new AbortController();
  const retryWaiting = () =>
    follower.retry(stopping.signal).catch((error) => {
      if (stopping.signal.aborted) return;
      logger.warn({ err: error }, 'entries that wait could not be tried again');
    });
  catalog.onChange(() => void retryWaiting());
  const restore = new Restore({
    log,
    relay,
    cursor: () => followedFeed(database),
    switchEpoch: (from, epoch, forkSeq, limit) => follower.switchEpoch(from, epoch, forkSeq, limit),
    header: async (boots) => ({ epoch: log.epoch, boots: await clock?.boots(boots) }),
    logger,
    stopPushing: () => push.abort('the cloud was restored'),
    onMended() {
      push.restart();
      pull.restart();
      void resync.request('the cloud was restored to an earlier point');
    },
  });
  const checked = async (asked: Promise<SyncPosition>) => {
    const answer = await asked;
    restore.check(answer, (await followedFeed(database)).epoch);
    return answer;
  };
  const position = (limit: AbortSignal) => checked(relay.sync(log.epoch, limit));
  const push = new Push({
    log,
    relay: {
      sync: (epoch, limit) => checked(relay.syncInARow(epoch, limit)),
      pack: (lines) => relay.pack(lines),
      push: (...batch) => relay.push(...batch),
    },
    position,
    logger,
    random: Math.random,
    boots: clock && ((named) => clock.boots(named)),
    onAcknowledged() {
      if (follower.parked > 0) void retryWaiting();
    },
  });
  const mayWrite = () => options.mayWrite?.() ?? true;
  const pull: Pull = new Pull({
    relayUrl,
    session,
    position,
    database,
    follower,
    keepReceived: (entries) => log.keepReceived(entries),
    requestResync: (reason) => resync.request(reason),
    room: (limit) => untilItMayWrite(mayWrite, limit),
    ...(options.fetch && { fetch: options.fetch }),
    logger,
  });

  const pause = (ms: number, limit: AbortSignal) => sleep(ms, undefined, { signal: limit });
  const drain = async (limit: AbortSignal) => {
    await captured(limit);
    await acknowledged(limit);
  };
  const resync = new Resync({
    database,
    catalog: () => catalog.current,
    post: (path, body, limit, onBytes) => relay.post(path, body, limit, onBytes),
    log: {
      appendOwn: (changes, committedAt, stamp) => log.appendOwn(changes, committedAt, stamp),
      kept: () => log.transactionsAfter(log.firstSeq - 1),
      amidParts: () => log.amidParts,
    },
    captured,
    drained: drain,
    proofAt: options.proofAt ?? null,
    logger,
    nowMs: Date.now,
    random: Math.random,
    pause,
  });

  const repair = new Repair({
    databaseUrl,
    database,
    log,
    requestResync: (reason, mode) => resync.request(reason, mode),
    logger,
  });
  const settings = options.retention ?? defaultRetention;
  const diskIsShort = () => options.diskIsShort?.() ?? false;
  const keeper = { log, settings, logger, now, intervalMs: logTidyIntervalMs, diskIsShort };
  const firstCopy = async (limit: AbortSignal) => {
    if (!(await storedStatus(database)).ready) await sequences.beforeFirstCopy(limit);
    await seed.run(limit);
  };
  let captureProblem: string | null = null;
  const acknowledged = (limit: AbortSignal) => push.acknowledged(log.lastSeq, limit);
  return {
    async run(signal) {
      await Promise.all([
        keepCapturing(capture, repair, logger, signal, (problem) => {
          captureProblem = problem;
        }),
        keepLog(keeper, signal),
        keepTouches({ log, logger, pause }, signal),
        sequences.run(signal),
        tellWhatIsRead(position, signal),
        catalog.run(signal),
        migrations.run(signal),
        schemaIsSettled(database, migrations)
          .then(() => firstCopy(signal))
          .then(() =>
            Promise.all([
              retryWaiting(),
              push.run(signal),
              pull.run(signal),
              restore.run(signal),
              resync.run(signal),
            ]),
          ),
      ]);
      stopping.abort(new Error('the box stops'));
      await follower.close();
      await database.end();
      log.close();
    },
    linkIsBack() {
      push.restart();
      pull.restart();
      migrations.restart();
    },
    async catchUp(limit) {
      await acknowledged(limit);
      // A full box does not fetch; its users are better served by the cloud, which has everything.
      if (mayWrite()) await pull.upToDate(limit);
    },
    drain,
    log,
    resync,
    inbox: postgresInbox({ pool: database, catalog, now: () => new Date(now() ?? Date.now()) }),
    adopt: (path, limit) => adoptLog({ path, stateDir, ownEpoch: log.epoch, relay }, limit),
    async requestResync(reason) {
      await resync.request(reason);
    },
    status: () =>
      readSyncStatus({
        database,
        log,
        push,
        pull,
        follower,
        seed,
        restore,
        migrations,
        catalog,
        sequences,
        resync,
        logBudgetBytes: settings.budgetBytes,
        captureProblem: () => (capture.streaming ? null : captureProblem),
      }),
    logFull: () => log.full,
  };
}

/** An idle box asks seldom; the cloud may forget only what it has heard to be read. */
async function tellWhatIsRead(
  position: (limit: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(tellReadIntervalMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) await position(signal).catch(() => {});
  }
}

/** The cloud keeps what is not fetched: nothing is lost by waiting. */
async function untilItMayWrite(mayWrite: () => boolean, signal: AbortSignal): Promise<void> {
  while (!mayWrite()) await sleep(roomPollMs, undefined, { signal });
}

async function inspectDatabase(databaseUrl: string): Promise<void> {
  const client = new Client(sessionConfig(databaseUrl, { applicationName: 'skooly-edge start' }));
  await client.connect();
  try {
    await checkServer(client);
    await readSite(client);
  } finally {
    await client.end();
  }
}

async function openCatalog(pool: Pool, syncMap: SyncMap): Promise<WatchedCatalog> {
  try {
    return await WatchedCatalog.open({ pool, syncMap });
  } catch (error) {
    await pool.end();
    throw error;
  }
}

/** The first copy takes whole rows of whole tables, so it waits until this campus has a place for all of them. */
async function schemaIsSettled(database: Pool, migrations: Migrations): Promise<void> {
  const copied = await database.query('SELECT FROM sync.cursor').catch(() => null);
  if (!copied?.rowCount) await migrations.settled;
}
