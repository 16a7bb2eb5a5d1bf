/**
 * The box on campus: joins the rooms, and hands each only what it uses.
 *
 * The link decides whether the cloud is there; the gateway serves users from the cloud or from the box; the sync keeps both
 * sides equal. When the link is back, the sync catches up, and the gateway's fence turns the users round.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { prepareSite, readSyncMap } from '@skooly-edge/sync-protocol';
import { type Logger, pino } from 'pino';
import { buildAdmin } from './admin/admin.ts';
import type { Status } from './admin/status.ts';
import { Backup } from './backup/backup.ts';
import { type CampusSync, openCampusSync } from './campus-sync.ts';
import { CampusClock } from './clock/campus-clock.ts';
import { openClockFile } from './clock/clock-file.ts';
import { thisMachine } from './clock/machine.ts';
import { soonOutdated } from './cloud-tls/certificate-dates.ts';
import { CloudTls } from './cloud-tls/cloud-tls.ts';
import { type ApplianceConfig, readConfig } from './config/config.ts';
import { readEnv } from './config/env.ts';
import { openBallast } from './disk/ballast.ts';
import { Disk, freeBytesOf } from './disk/disk.ts';
import { RelaySession, type TrustStatus } from './enrol/relay-session.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { systemClock } from './link/clock.ts';
import { createLink, type Link } from './link/link.ts';
import { openProber } from './link/probe.ts';
import { wakeOnFailure } from './link/wake-on-failure.ts';
import type { MigrationAccess } from './migrations/migrations.ts';
import { thisProcess, tidyAtRest } from './process/rest.ts';

/** A way back to the cloud that failed is tried again after this long, as long as the link stands at CATCHING_UP. */
const failbackRetryDelayMs = 1_000;

/** The clock is told that the boot lasts this often. */
const clockSeenMs = 5_000;

/** Whether the box has its copy is asked this often until it has. */
const readyPollMs = 500;

export interface PrepareCommand {
  adminUrl: string;
  syncMap: string;
  passwordFile: string;
  campus: string;
}

export async function prepare(options: PrepareCommand): Promise<void> {
  const password = readFileSync(options.passwordFile, 'utf8').trim();
  const syncMap = readSyncMap(options.syncMap);
  await prepareSite({ adminUrl: options.adminUrl, site: options.campus, syncMap, password });
}

/** Runs the daemon until it is told to stop. */
export async function serve(): Promise<void> {
  const config = readConfig(readEnv());
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stop.abort(new Error('told to stop')));
  await runAppliance(config, pino({ level: config.logLevel }), stop.signal);
}

/** @throws SyncError, GatewayError or AdminError when it cannot start. */
export async function runAppliance(
  config: ApplianceConfig,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = config;
  const disk: Disk = new Disk({
    folders: [config.stateDir, ...storage.diskFolders],
    settings: storage.disk,
    ballast: openBallast(config.stateDir, storage.ballastBytes),
    logger,
    freeBytes: freeBytesOf,
    writeFailed: () => sync.logFull(),
    now: () => new Date(),
  });
  const clock = new CampusClock(thisMachine(systemClock.after), openClockFile(config.stateDir), (error) =>
    logger.warn({ err: error }, 'what is known of the time could not be kept'),
  );
  const { relayUrl, campus, stateDir } = config;
  const monotonicMs = () => performance.now();
  const tls = new CloudTls({
    ca: config.cloudCa,
    relayUrl,
    publicKey: config.cloudPublicKey,
    reachedMs: () => clock.now(),
    wallMs: Date.now,
    monotonicMs,
    randomBytes,
    exchange() {
      logger.warn('by this clock a certificate of the cloud is not valid: the relay is asked for its word');
      return clock.exchange();
    },
  });
  const session = new RelaySession({ relayUrl, campus, stateDir, fetch: tls.fetch, monotonicMs });
  const sync = await openCampusSync({
    databaseUrl: config.databaseUrl.reveal(),
    syncMap: config.syncMap,
    stateDir: config.stateDir,
    relayUrl: config.relayUrl,
    session,
    fetch: wakeOnFailure(tls.fetch, () => link.used()),
    fetchInARow: wakeOnFailure(tls.fetchInARow, () => link.used()),
    migrations: migrationAccess(config),
    logger,
    clock,
    retention: storage.retention,
    diskIsShort: () => disk.short(),
    mayWrite: () => disk.mayWrite(),
    proofAt: config.proofAt,
  });
  const { backupConfigFile: configFile } = config;
  const backup = configFile === null ? null : new Backup({ configFile, log: sync.log, logger });
  const prober = openProber({
    relayUrls: config.probeUrls,
    appUrl: config.appCheck ? config.cloudAppUrl : null,
    publicKey: config.cloudPublicKey,
    timeoutMs: config.link.timeoutMs,
    clock: systemClock,
    connect: tls.connector(config.link.timeoutMs),
    randomBytes,
    exchange: clock.exchange,
  });
  const probe = (limit: AbortSignal) => prober.round(limit);
  const link = createLink({ settings: config.link, clock: systemClock, logger, probe });
  let boxReady = false;
  const { fenceMaxMs, patienceMs, answerTimeoutMs } = config;
  const gateway = createGateway({
    link,
    cloudUrl: config.cloudAppUrl,
    localUrl: config.localAppUrl,
    connectCloud: (timeoutMs) => tls.connector(timeoutMs),
    policy: config.policy,
    clock: systemClock,
    logger,
    limits: { fenceMaxMs, patienceMs, answerTimeoutMs },
    boxReady: () => boxReady,
    boxMayWrite: () => disk.mayWrite(),
  });
  const admin = buildAdmin({
    readStatus: () => readStatus(config, { sync, link, gateway, disk, clock, backup, tls }, session.status()),
    logger,
    resync: sync.resync,
    inbox: sync.inbox,
    adopt: { adopt: (path) => sync.adopt(path, signal) },
  });

  link.onChange(({ state }) => {
    if (state !== 'RECOVERING') return;
    sync.linkIsBack();
    backup?.linkIsBack();
  });
  try {
    await admin.listen(config.adminListen);
    await gateway.listen(config.gatewayListen);
    logger.info({ campus: config.campus }, 'the box is up');
    await Promise.all([
      sync.run(signal),
      disk.run(signal),
      link.run(signal),
      backup?.run(signal),
      tidyAtRest(thisProcess, signal),
      keepSeeing(clock, signal),
      whenReady(sync, signal).then(() => {
        boxReady = true;
      }),
      keepFailingBack(link, gateway, sync, logger, signal),
    ]);
  } finally {
    await gateway.close();
    await admin.close();
    await prober.close();
    await tls.close();
    clock.close();
  }
}

function migrationAccess({ migrations }: ApplianceConfig): MigrationAccess | null {
  if (migrations === null) return null;
  return { ownerUrl: () => migrations.databaseUrl.reveal(), releaseKey: migrations.releaseKey };
}

/** The box serves nobody before it holds a consistent copy of its campus. */
async function whenReady(sync: CampusSync, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !(await sync.status()).ready) {
    await sleep(readyPollMs, undefined, { signal }).catch(() => {});
  }
}

/** The boot lasts, whether the cloud answers or not. */
async function keepSeeing(clock: CampusClock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    clock.seen();
    await sleep(clockSeenMs, undefined, { signal }).catch(() => {});
  }
}

/** As long as the link stands at CATCHING_UP, tries to bring the users back to the cloud. */
async function keepFailingBack(
  link: Link,
  gateway: Gateway,
  sync: CampusSync,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    if (link.state === 'CATCHING_UP') {
      const result = await gateway.failback(sync, signal);
      logger.info(
        result,
        result.outcome === 'done' ? 'users are back with the cloud' : 'not back with the cloud yet',
      );
    }
    await nextChange(link, failbackRetryDelayMs, signal);
  }
}

async function nextChange(link: Link, atMostMs: number, signal: AbortSignal): Promise<void> {
  const changed = new AbortController();
  const stopWatching = link.onChange(() => changed.abort());
  await sleep(atMostMs, undefined, { signal: AbortSignal.any([signal, changed.signal]) }).catch(() => {});
  stopWatching();
}

interface StatusRooms {
  sync: CampusSync;
  link: Link;
  gateway: Gateway;
  disk: Disk;
  clock: CampusClock;
  backup: Backup | null;
  tls: CloudTls;
}

async function readStatus(
  config: ApplianceConfig,
  { sync, link, gateway, disk, clock, backup, tls }: StatusRooms,
  trust: TrustStatus,
): Promise<Status> {
  const { state, since, reasons, probes, ...measured } = link.snapshot();
  return {
    campus: config.campus,
    state,
    since,
    policy: config.policy,
    sync: await sync.status(),
    link: { ...measured, reasons: [...reasons], probes: [...probes] },
    gateway: gateway.snapshot(),
    disk: disk.snapshot(),
    clock: clock.status(),
    certificate: certificateStatus(tls, clock),
    trust,
    backup: backup === null ? null : await backup.summary(new Date()),
  };
}

function certificateStatus(tls: CloudTls, clock: CampusClock): Status['certificate'] {
  const dates = tls.relayDates();
  if (dates === null) return null;
  return { until: dates.notAfter.toISOString(), problem: soonOutdated(dates, clock.now() ?? Date.now()) };
}
