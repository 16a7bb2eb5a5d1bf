/**
 * The whole sync chain in one process over two databases of the test cluster: relay and campus as they are, joined by
 * HTTP on loopback, without link, gateway and school application.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseSyncMap, prepareSite, sessionConfig, syncRole } from '@skooly-edge/sync-protocol';
import Database from 'better-sqlite3';
import { Client } from 'pg';
import { pino } from 'pino';
import {
  type CampusSync,
  type CampusSyncOptions,
  openCampusSync,
} from '../../apps/appliance/src/campus-sync.ts';
import type { RelaySession } from '../../apps/appliance/src/enrol/relay-session.ts';
import { runRelay } from '../../apps/cloud-relay/src/relay.ts';
import { freePort } from '../lab/ports/free-port.ts';
import { type StandInElectric, startElectric } from './electric.ts';
import { createDatabase } from './postgres.ts';
import { sessionOf, trustBox } from './trust.ts';

/** The role of the engine is the cluster's: tests that run side by side have to agree on its password. */
const password = 'chain-test';

export interface ChainOptions {
  schema: string;
  /** Rows that the cloud begins with. */
  seed: string;
  syncMap: object;
  campus: string;
  /** Public half of the key that the campus's migrations are signed with; left out, it does not migrate by itself. */
  releaseKey?: KeyObject;
  /** The relay hands the read path on to an Electric instead of serving it itself. */
  throughElectric?: boolean;
  /** The campus's idea of time; left out, transactions say what Postgres says. */
  clock?: CampusSyncOptions['clock'];
}

export interface Chain {
  /** The Electric between relay and campus, where one was asked for. */
  electric: StandInElectric | null;
  cloud: Client;
  campus: Client;
  /** The databases, as their administrators reach them. */
  cloudUrl: string;
  campusUrl: string;
  sync: CampusSync;
  relayUrl: URL;
  /** Of the box that was enrolled last. */
  session: RelaySession;
  /** Begins or resumes the campus's side. */
  connect(): Promise<void>;
  /** As `connect`, but the relay cannot be reached: what is written is logged and stays. */
  connectToNobody(): Promise<void>;
  /** Folder of the sync log. */
  stateDir: string;
  /** Ends the campus's side: what is written now waits in the WAL. */
  disconnect(): Promise<void>;
  /** Settles as the campus's side ends, with its error if it has one. */
  stopped(): Promise<void>;
  /** Resolves when both sides have nothing left to tell each other. */
  settled(): Promise<void>;
  /**
   * Keeps the cloud's database as it is. The relay runs on.
   *
   * @returns what restores the cloud to that moment: what it committed since is lost.
   */
  backUpCloud(): Promise<() => Promise<void>>;
  /** The box has died, its side has ended: another one with an empty database and state. @returns the old one's state folder. */
  replaceBox(): Promise<string>;
  /** The same for the campus; its side must have ended when it is restored, and goes on by `connect`. */
  backUpCampus(): Promise<() => Promise<void>>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startChain(options: ChainOptions): Promise<Chain> {
  const cloudDatabase = await createDatabase('cloud');
  let campusDatabase = await createDatabase('campus');
  const deadBoxes: (() => Promise<void>)[] = [];
  const syncMap = parseSyncMap(options.syncMap);
  const cloud = await connectTo(cloudDatabase.url);
  const campus = await connectTo(campusDatabase.url);
  await cloud.query(options.schema + options.seed);
  await campus.query(options.schema);
  await prepareSite({ adminUrl: cloudDatabase.url, site: 'cloud', syncMap, password });
  await prepareSite({ adminUrl: campusDatabase.url, site: options.campus, syncMap, password });
  let stateDir = mkdtempSync(join(tmpdir(), 'skooly-chain-'));
  await trustBox(cloud, options.campus, stateDir);
  const logger = pino({ level: process.env.CHAIN_LOG ?? 'silent' });
  const port = await freePort();
  const electric = options.throughElectric ? await startElectric(asSyncRole(cloudDatabase.url)) : null;
  const stopRelay = new AbortController();
  const relay = runRelay(
    {
      databaseUrl: asSyncRole(cloudDatabase.url),
      listen: { host: '127.0.0.1', port },
      syncMap,
      signingKey: generateKeyPairSync('ed25519').privateKey,
      electricUrl: electric?.url ?? null,
      logLevel: 'silent',
    },
    logger,
    stopRelay.signal,
  );
  await Promise.race([relay, until(() => answers(`http://127.0.0.1:${port}`))]);
  let stopCampus = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const begin = async (relayUrl: URL) => {
    stopCampus = new AbortController();
    chain.sync = await openCampusSync({
      databaseUrl: asSyncRole(campusDatabase.url),
      syncMap,
      migrations: options.releaseKey
        ? { ownerUrl: () => campusDatabase.url, releaseKey: options.releaseKey }
        : null,
      stateDir,
      relayUrl,
      session: chain.session,
      logger,
      clock: options.clock,
    });
    running = chain.sync.run(stopCampus.signal);
    running.catch(() => {});
  };
  const chain: Chain = {
    cloud,
    campus,
    electric,
    cloudUrl: cloudDatabase.url,
    campusUrl: campusDatabase.url,
    sync: undefined as unknown as CampusSync,
    relayUrl: new URL(`http://127.0.0.1:${port}`),
    session: sessionOf(new URL(`http://127.0.0.1:${port}`), options.campus, stateDir),
    stateDir,
    connect: () => begin(chain.relayUrl),
    connectToNobody: () => begin(new URL('http://127.0.0.1:9')),
    async disconnect() {
      stopCampus.abort(new Error('disconnected'));
      await running;
    },
    stopped: () => running,
    async settled() {
      await until(async () => (await chain.sync.status()).ready);
      await chain.sync.drain(AbortSignal.timeout(30_000));
      await until(async () => (await chain.sync.status()).restore === null);
      await until(async () => await feedIsRead(chain.cloud, chain.sync));
    },
    async backUpCloud() {
      const restore = await cloudDatabase.snapshot();
      chain.cloud = await connectTo(cloudDatabase.url);
      return async () => {
        await restore();
        chain.cloud = await connectTo(cloudDatabase.url);
        // The copy is on the same server: what a restore changes is said here.
        await chain.cloud.query("UPDATE sync.site SET timeline = 'of the backup'");
      };
    },
    async replaceBox() {
      const [oldDatabase, oldStateDir] = [campusDatabase, stateDir];
      deadBoxes.push(() => oldDatabase.drop());
      deadBoxes.push(async () => rmSync(oldStateDir, { recursive: true, force: true }));
      await chain.campus.end();
      campusDatabase = await createDatabase('campus');
      chain.campus = await connectTo(campusDatabase.url);
      await chain.campus.query(options.schema);
      await prepareSite({ adminUrl: campusDatabase.url, site: options.campus, syncMap, password });
      stateDir = mkdtempSync(join(tmpdir(), 'skooly-chain-'));
      chain.stateDir = stateDir;
      await trustBox(chain.cloud, options.campus, stateDir);
      chain.session = sessionOf(chain.relayUrl, options.campus, stateDir);
      chain.campusUrl = campusDatabase.url;
      return oldStateDir;
    },
    async backUpCampus() {
      const restore = await campusDatabase.snapshot();
      chain.campus = await connectTo(campusDatabase.url);
      return async () => {
        await restore();
        chain.campus = await connectTo(campusDatabase.url);
        // The copy is on the same server: what a restore changes is said here.
        const log = new Database(join(stateDir, 'sync-log.sqlite'));
        log.exec(
          `UPDATE meta SET value = '{"system":"of the backup","timeline":"00000001"}' WHERE name = 'server'`,
        );
        log.close();
      };
    },
    async [Symbol.asyncDispose]() {
      stopCampus.abort(new Error('over'));
      await running.catch(() => {});
      stopRelay.abort(new Error('over'));
      await relay;
      await electric?.close();
      await chain.cloud.end();
      await chain.campus.end();
      await cloudDatabase.drop();
      await campusDatabase.drop();
      for (const clear of deadBoxes) await clear();
      rmSync(stateDir, { recursive: true });
    },
  };
  return chain;
}

async function feedIsRead(cloud: Client, sync: CampusSync): Promise<boolean> {
  const { rows } = await cloud.query('SELECT pg_logical_emit_message(true, $1, $2) AS lsn', [
    'skooly_edge.mark',
    '',
  ]);
  const target = rows[0].lsn;
  await until(async () => {
    const written = await cloud.query(
      "SELECT ('0/0'::pg_lsn + lsn) > $1::pg_lsn AS past FROM sync.feed_position",
      [target],
    );
    return written.rows[0].past === 't';
  });
  const head = await cloud.query('SELECT feed_seq FROM sync.follower');
  return (await sync.status()).feedSeq === Number(head.rows[0].feed_seq);
}

async function answers(url: string): Promise<boolean> {
  return await fetch(url).then(
    () => true,
    () => false,
  );
}

export async function until(condition: () => Promise<boolean>, limitMs = 90_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not come to pass in time');
    await sleep(25);
  }
}

async function connectTo(url: string): Promise<Client> {
  const client = new Client(sessionConfig(url, { applicationName: 'chain test' }));
  // A database that is restored ends every connection.
  client.on('error', () => {});
  await client.connect();
  return client;
}

function asSyncRole(adminUrl: string): string {
  const url = new URL(adminUrl);
  url.username = syncRole;
  url.password = password;
  return url.href;
}
