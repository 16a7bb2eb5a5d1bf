/**
 * The cloud side of the sync: joins the rooms in the order of the flow.
 *
 *   a campus pushes → ingest merges and commits → WAL → feed writer → sync.feed → shape → the campus pulls
 */
import type { Server as HttpsServer } from 'node:https';
import { checkServer, readSite, sessionConfig, WatchedCatalog } from '@skooly-edge/sync-protocol';
import { Client, Pool } from 'pg';
import type { Logger } from 'pino';
import { Admission } from './admission/admission.ts';
import type { RelayConfig } from './config/config.ts';
import { distrust, revokedCampuses } from './enrol/distrust.ts';
import { HeldRequests } from './enrol/held-requests.ts';
import { defaultFeedRetention, keepFeed } from './feed/feed-retention.ts';
import { FeedSignals } from './feed/feed-signals.ts';
import { FeedWriter } from './feed/feed-writer.ts';
import { ReadyChunks } from './feed/ready-chunks.ts';
import { StepAside } from './feed/step-aside.ts';
import { buildServer } from './http/server.ts';
import { Ingest } from './ingest/ingest.ts';
import { ParkedKeeper } from './ingest/parked-keeper.ts';
import { PostgresCloud } from './ingest/postgres-cloud.ts';
import { ensureEpoch } from './restore/epoch.ts';
import { feedSeal } from './restore/feed-seal.ts';
import { Salvage } from './restore/salvage.ts';
import { keepCloudSequences } from './sequences/sequences.ts';
import { RelayTls } from './tls/tls.ts';

/** Electric holds 20 s, and boxes wait for 35: each answer that says nothing is most of what an idle box hears. */
const liveHoldMs = 30_000;
/** How often the relay that writes the feed looks whether the cloud's own sequences have room. */
const sequencesIntervalMs = 10_000;

/** How often the relay that writes the feed looks for what may go. */
const feedTidyIntervalMs = 15 * 60_000;

/** How often it is looked whether something of a feed can be made ready for a campus that is away. */
const readyIntervalMs = 1_000;

/** Connections that the kernel takes before the relay does: all campuses may come back at the same moment. */
const listenBacklog = 4_096;

const maxIngestSessions = 4;
const maxQueryConnections = 10;

/** Runs until the signal aborts. @throws SyncError or ConfigError when it cannot start. */
export async function runRelay(config: RelayConfig, logger: Logger, signal: AbortSignal): Promise<void> {
  const { databaseUrl } = config;
  const now = () => new Date();
  const { tls: files = null, vouchedCertFiles: vouchedFiles = [] } = config;
  const tls = new RelayTls({ files, vouchedFiles, logger, now });
  await inspectDatabase(config);
  const pool = new Pool({
    ...sessionConfig(databaseUrl, { applicationName: 'skooly-relay' }),
    max: maxQueryConnections,
  });
  pool.on('error', (error) => logger.warn({ err: error }, 'an idle database connection broke'));
  const catalog = await openCatalog(pool, config);
  const store = new PostgresCloud({
    databaseUrl,
    catalog,
    queries: pool,
    maxSessions: maxIngestSessions,
    onFeedAwaited: () => aside.readOn(),
  });
  const ingest = new Ingest({ store, now });
  const monotonicMs = () => performance.now();
  const limits = { working: maxIngestSessions };
  const aside = new StepAside({ pause: () => writer.pause(), resume: () => writer.resume() });
  const admission = new Admission({
    limits,
    monotonicMs,
    onEnter: (bytes) => aside.batch(bytes),
  });
  const seal = feedSeal(config.signingKey);
  const salvage = new Salvage({ store, seal, now });
  const keeper = new ParkedKeeper({ store, queries: pool, logger, now, monotonicMs });
  const signals = new FeedSignals(databaseUrl, logger);
  const held = new HeldRequests({
    databaseUrl,
    logger,
    async onTrustChanged() {
      if (!config.trustedKeysFile) return;
      const gone = distrust(config.trustedKeysFile, await revokedCampuses(pool));
      if (gone.length > 0) logger.warn({ campuses: gone }, 'revoked campuses are off the trusted keys');
    },
  });
  catalog.onChange(() => {
    logger.info('the schema or the sync map is another one');
    keeper.tryEverything();
  });
  const writer = new FeedWriter({
    databaseUrl,
    catalog,
    seal,
    logger,
    onCommits(transactions) {
      for (const { changes, passedOver = [] } of transactions)
        keeper.touched([...changes.map(({ table }) => table), ...passedOver]);
    },
  });
  const ready = new ReadyChunks({
    pool,
    seal,
    logger,
    isQuiet: () => admission.isEmpty,
    lookIntervalMs: readyIntervalMs,
  });
  const shape = { pool, signals, ready, liveHoldMs };
  const rooms = { ingest, admission, salvage, shape, held, tls };
  const server = buildServer({ config, catalog, pool, ...rooms, logger, now });
  await server.listen({ ...config.listen, backlog: listenBacklog });
  logger.info(
    { ...config.listen, electric: config.electricUrl !== null, tls: config.tls != null },
    'relay listens',
  );
  signal.addEventListener('abort', () => server.server.closeAllConnections(), { once: true });
  const retention = {
    pool,
    settings: config.feedRetention ?? defaultFeedRetention,
    elected: () => writer.elected,
    logger,
    intervalMs: feedTidyIntervalMs,
  };
  const sequences = { pool, catalog, elected: () => writer.elected, logger, intervalMs: sequencesIntervalMs };
  await Promise.all([
    keepCloudSequences(sequences, signal),
    keepFeed(retention, signal),
    writer.run(signal),
    signals.run(signal),
    ...(config.electricUrl ? [] : [ready.run(signal)]),
    held.run(signal),
    keeper.run(signal),
    catalog.run(signal),
    tls.run(server.server as HttpsServer, signal),
  ]);
  await server.close();
  await store.close();
  await pool.end();
}

async function openCatalog(pool: Pool, { syncMap }: RelayConfig): Promise<WatchedCatalog> {
  try {
    return await WatchedCatalog.open({ pool, syncMap });
  } catch (error) {
    await pool.end();
    throw error;
  }
}

async function inspectDatabase(config: RelayConfig): Promise<void> {
  const client = new Client(sessionConfig(config.databaseUrl, { applicationName: 'skooly-relay start' }));
  await client.connect();
  try {
    await checkServer(client);
    await readSite(client);
    await ensureEpoch(client, config.databaseUrl);
  } finally {
    await client.end();
  }
}
