/**
 * The box on campus: joins the rooms in the order of the flow, and hands each only what it uses.
 *
 *   local commit → WAL → capture → sync log → push → relay
 *   relay → feed → pull → follower → local Postgres
 *   link decides who serves; the gateway serves; catching up and the fence bring both together.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Capture,
  type Catalog,
  checkServer,
  isApplyOrigin,
  prepareSite,
  readCatalog,
  readSite,
  readSyncMap,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import { Client, Pool } from 'pg';
import { type Logger, pino } from 'pino';
import { buildAdmin } from './admin/admin.ts';
import type { Status } from './admin/status.ts';
import { type ApplianceConfig, readConfig } from './config/config.ts';
import { readEnv } from './config/env.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { createLink, type Link } from './link/link.ts';
import { createProbe } from './link/probe.ts';
import { Follower } from './pull/follower.ts';
import { Pull } from './pull/pull.ts';
import { Push } from './push/push.ts';
import { RelayClient } from './relay-client/relay-client.ts';
import { Seed } from './seed/seed.ts';
import { SyncLog } from './sync-log/sync-log.ts';

const captureRestartDelayMs = 500;
const failbackRetryDelayMs = 1_000;

export interface PrepareCommand {
  adminUrl: string;
  syncMap: string;
  passwordFile: string;
  campus: string;
}

export async function prepare(options: PrepareCommand): Promise<void> {
  const password = readFileSync(options.passwordFile, 'utf8').trim();
  await prepareSite({
    adminUrl: options.adminUrl,
    site: options.campus,
    syncMap: readSyncMap(options.syncMap),
    password,
  });
}

/** Runs the daemon until it is told to stop. */
export async function serve(): Promise<void> {
  const config = readConfig(readEnv());
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stop.abort(new Error('told to stop')));
  await runAppliance(config, pino({ level: config.logLevel }), stop.signal);
}

/** @throws SyncError or ConfigError when it cannot start. */
export async function runAppliance(
  config: ApplianceConfig,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { databaseUrl } = config;
  const catalog = await inspectDatabase(config);
  const database = new Pool({ ...sessionConfig(databaseUrl, { applicationName: 'skooly-edge' }), max: 4 });
  database.on('error', (error) => logger.warn({ err: error }, 'an idle database connection broke'));
  const log = SyncLog.open(config.stateDir, isApplyOrigin(databaseUrl));
  const capture = campusCapture(config, catalog, log);
  const authorization = () => `Bearer ${config.relayToken.reveal()}`;
  const relay = new RelayClient(config.relayUrl, authorization);
  const captured = (limit: AbortSignal) => capture.passed(database, limit);
  const push = new Push({ log, relay, logger, random: Math.random });
  const seed = new Seed({ databaseUrl, catalog, relay, logger });
  const follower = new Follower({ databaseUrl, catalog, log, captured, logger });
  const position = (limit: AbortSignal) => relay.sync(log.epoch, limit);
  const pull = new Pull({ relayUrl: config.relayUrl, authorization, position, database, follower, logger });
  const link = createLink({
    probe: createProbe({
      relayUrl: config.relayUrl,
      cloudPublicKey: config.cloudPublicKey,
      cloudAppUrl: config.cloudAppUrl,
      timeoutMs: config.link.probeTimeoutMs,
    }),
    settings: config.link,
    now: () => new Date(),
    sleep: (ms: number, limit?: AbortSignal) => sleep(ms, undefined, limit ? { signal: limit } : {}),
    logger,
  });
  const gateway = createGateway({
    link,
    cloudUrl: config.cloudAppUrl,
    localUrl: config.localAppUrl,
    policy: config.policy,
    logger,
    limits: { fenceLimitMs: config.fenceLimitMs },
  });
  const readStatus = () =>
    currentStatus({ config, database, log, push, pull, seed, follower, link, gateway });
  const admin = buildAdmin({ readStatus, logger });

  link.onChange((state) => {
    if (state !== 'RECOVERING') return;
    push.wake();
    pull.restart();
  });
  await admin.listen(config.adminListen);
  await gateway.listen(config.gatewayListen);
  logger.info(
    { campus: config.campus, gateway: config.gatewayListen, admin: config.adminListen },
    'the box is up',
  );
  const catchUp = async (limit: AbortSignal) => {
    await push.acknowledged(log.lastSeq, limit);
    await pull.upToDate(limit);
  };
  const drain = async (limit: AbortSignal) => {
    await captured(limit);
    await push.acknowledged(log.lastSeq, limit);
  };
  await Promise.all([
    keepCapturing(capture, logger, signal),
    seed.run(signal).then(() => Promise.all([push.run(signal), pull.run(signal)])),
    link.run(signal),
    keepFailingBack(link, gateway, { catchUp, drain }, logger, signal),
  ]);
  await gateway.close();
  await admin.close();
  await follower.close();
  await database.end();
  log.close();
}

async function inspectDatabase(config: ApplianceConfig): Promise<Catalog> {
  const client = new Client(sessionConfig(config.databaseUrl, { applicationName: 'skooly-edge start' }));
  await client.connect();
  try {
    await checkServer(client);
    await readSite(client);
    return await readCatalog(client, config.syncMap);
  } finally {
    await client.end();
  }
}

function campusCapture(config: ApplianceConfig, catalog: Catalog, log: SyncLog): Capture {
  return new Capture({
    connectionString: config.databaseUrl,
    applicationName: 'skooly-edge capture',
    sink: log,
    skipOrigin: isApplyOrigin(config.databaseUrl),
    table: (name) => {
      const table = catalog.tables.get(name);
      if (!table) throw new Error(`the publication has ${name}, which the sync map does not name`);
      return { keyColumns: table.keyColumns, by: table.rule.by };
    },
  });
}

async function keepCapturing(capture: Capture, logger: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await capture.run(signal);
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'capture stopped, starts again');
    }
    await sleep(captureRestartDelayMs, undefined, { signal }).catch(() => {});
  }
}

interface WayBack {
  catchUp(signal: AbortSignal): Promise<void>;
  drain(signal: AbortSignal): Promise<void>;
}

/** As long as the link stands at CATCHING_UP, tries to bring the users back to the cloud. */
async function keepFailingBack(
  link: Link,
  gateway: Gateway,
  way: WayBack,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    if (link.state === 'CATCHING_UP') {
      const attempt = new AbortController();
      const stopWatching = link.onChange(() => attempt.abort(new Error('the link changed')));
      try {
        const { pauseMs } = await gateway.failback(way, AbortSignal.any([signal, attempt.signal]));
        logger.info({ pauseMs }, 'users are back with the cloud');
      } catch (error) {
        logger.debug({ err: error }, 'not back with the cloud yet');
      } finally {
        stopWatching();
      }
    }
    await nextChange(link, failbackRetryDelayMs, signal);
  }
}

async function nextChange(link: Link, atMostMs: number, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  const stopWatching = link.onChange(() => done.abort());
  await sleep(atMostMs, undefined, { signal: AbortSignal.any([signal, done.signal]) }).catch(() => {});
  stopWatching();
}

interface StatusSources {
  config: ApplianceConfig;
  database: Pool;
  log: SyncLog;
  push: Push;
  pull: Pull;
  seed: Seed;
  follower: Follower;
  link: Link;
  gateway: Gateway;
}

async function currentStatus(sources: StatusSources): Promise<Status> {
  const { config, log, push, pull, seed, follower, link, gateway } = sources;
  const pending = log.pending();
  const stored = await storedStatus(sources.database);
  const { state, since, reason, lastProbeAt, lastProbeMs, clockOffsetMs } = link.snapshot();
  return {
    campus: config.campus,
    state,
    since: since.toISOString(),
    policy: config.policy,
    sync: {
      pendingTransactions: pending.transactions,
      pendingBytes: pending.bytes,
      oldestPendingSeconds:
        pending.oldestCommittedAt === null
          ? null
          : Math.max(0, Date.now() / 1000 - pending.oldestCommittedAt / 1e6),
      conflictsOpen: stored.conflictsOpen,
      parked: push.state.parkedInCloud + follower.parked,
      lastPushAt: push.state.lastPushAt?.toISOString() ?? null,
      lastPullAt: pull.state.lastPullAt?.toISOString() ?? null,
      epoch: log.epoch,
      loggedSeq: log.lastSeq,
      acknowledgedSeq: log.acknowledged,
      feedSeq: stored.feedSeq,
      seeding: seed.progress,
      ready: stored.ready,
    },
    link: { reason, lastProbeAt: lastProbeAt?.toISOString() ?? null, lastProbeMs, clockOffsetMs },
    gateway: gateway.snapshot(),
  };
}

/** What the campus's database tells; a database that is away leaves the numbers at what is surely true: not ready. */
async function storedStatus(
  database: Pool,
): Promise<{ conflictsOpen: number; feedSeq: number; ready: boolean }> {
  try {
    const { rows } = await database.query<Record<string, string | null>>(
      `SELECT (SELECT count(*) FROM sync.conflict WHERE status = 'open') AS open,
              (SELECT seq FROM sync.cursor) AS seq, (SELECT seq >= seeded_until FROM sync.cursor) AS ready`,
    );
    const row = rows[0] ?? {};
    return { conflictsOpen: Number(row.open ?? 0), feedSeq: Number(row.seq ?? 0), ready: row.ready === 't' };
  } catch {
    return { conflictsOpen: 0, feedSeq: 0, ready: false };
  }
}
