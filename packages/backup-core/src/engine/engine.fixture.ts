/** A site in small: a Postgres that archives into an engine, and two regions over S3. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey, readPrivateKey } from 'openpgp';
import { type S3Server, startS3, testCredential } from '../../../../test/support/s3/s3.ts';
import type { SealedObject } from '../format/object.ts';
import { loadManifestKey, makeManifestKey } from '../keys/manifest-key.ts';
import { readRecipient } from '../keys/recipient.ts';
import { readManifest } from '../manifest/read-manifest.ts';
import { openRegion, type S3Region } from '../region/s3-region.ts';
import { RegionCredentials } from '../region/settings.ts';
import type { Clock } from '../schedule/clock.ts';
import { openObject } from '../seal/open-object.ts';
import { startCluster, type TestCluster } from '../source/source.fixture.ts';
import type { SyncLogSource } from '../source/sync-log.ts';
import { manifestStoreOf } from '../upload/manifest-store.ts';
import { type Engine, type EngineOptions, openEngine } from './engine.ts';
import type { BackupEvent } from './events.ts';

export const bucket = 'backups';
export const site = 'mvan';

export interface SmallSite extends AsyncDisposable {
  readonly cluster: TestCluster;
  readonly servers: Record<'paris' | 'douala', S3Server>;
  readonly events: BackupEvent[];
  readonly engine: Engine;
  readonly privateKey: Awaited<ReturnType<typeof testKeys>>['privateKey'];
  start(changes?: Partial<EngineOptions>): Promise<void>;
  stop(): Promise<void>;
  region(name: 'paris' | 'douala'): S3Region;
  /** What the region's manifest says is live, verified. */
  live(name: 'paris' | 'douala'): Promise<SealedObject[]>;
  /** Opens every live object from that region alone; rejects when one is not what the manifest says. */
  openAll(name: 'paris' | 'douala'): Promise<SealedObject[]>;
  /** Names of which the region has more than one version, or a hidden one. */
  twice(name: 'paris' | 'douala'): Promise<string[]>;
  /** What a process of its own needs to be this site's engine: see `engineOf`. */
  readonly config: SiteConfig;
  /** Lets Postgres archive into whatever engine has the access file. */
  archiveInto(archiveCommand: string): Promise<void>;
  /** Commits something and ends the segment. */
  commit(): Promise<string>;
}

export async function testKeys() {
  const pair = await generateKey({ type: 'ecc', userIDs: [{ name: 'Test', email: 'test@example.org' }] });
  return { armored: pair.publicKey, privateKey: await readPrivateKey({ armoredKey: pair.privateKey }) };
}

export function regionOf(name: string, endpoint: string): S3Region {
  const { accessKeyId, secretAccessKey } = testCredential;
  return openRegion({
    name,
    endpoint,
    bucket,
    credentials: new RegionCredentials(accessKeyId, secretAccessKey),
    abilitiesFile: null,
    partBytes: 5 * 1024 * 1024,
  });
}

export interface SiteConfig {
  readonly folder: string;
  readonly url: string;
  readonly accessFile: string;
  readonly readers: { readonly uid: number; readonly gid: number };
  /** An OpenPGP public key, armored. */
  readonly recipient: string;
  readonly manifestKeyFile: string;
  /** Name → endpoint. */
  readonly regions: Readonly<Record<string, string>>;
}

export async function engineOf(config: SiteConfig, changes: Partial<EngineOptions> = {}): Promise<Engine> {
  const { folder, url, accessFile, readers } = config;
  const recipient = await readRecipient(config.recipient, new Date());
  return await openEngine({
    site,
    folder,
    postgres: { url },
    archive: { accessFile, readers },
    recipients: () => [recipient],
    manifestKey: await loadManifestKey(config.manifestKeyFile),
    regions: Object.entries(config.regions).map(([name, endpoint]) => regionOf(name, endpoint)),
    ...changes,
  });
}

export interface SiteOptions {
  readonly clock?: Clock;
  readonly syncLog?: SyncLogSource;
}

export async function startSite(options: SiteOptions = {}): Promise<SmallSite> {
  const cluster = await startCluster({ archive_mode: 'on', archive_timeout: 60, max_wal_senders: 4 });
  const buckets = [{ name: bucket, versioning: true, lock: true }];
  const servers = { paris: await startS3({ buckets }), douala: await startS3({ buckets }) };
  const regions = {
    paris: regionOf('paris', servers.paris.endpoint),
    douala: regionOf('douala', servers.douala.endpoint),
  };
  const { armored, privateKey } = await testKeys();
  const folder = join(cluster.dir, 'backup');
  mkdirSync(folder);
  const manifestKeyFile = join(cluster.dir, 'manifest.key');
  const { publicKey } = await makeManifestKey(manifestKeyFile);
  const { uid, gid } = statSync(cluster.postgres.dataDir);
  const config: SiteConfig = {
    folder,
    url: cluster.postgres.url,
    accessFile: join(cluster.dir, 'archive-access'),
    readers: { uid, gid },
    recipient: armored,
    manifestKeyFile,
    regions: { paris: servers.paris.endpoint, douala: servers.douala.endpoint },
  };
  const events: BackupEvent[] = [];
  let engine: Engine | null = null;
  let running: Promise<void> = Promise.resolve();
  let stopping = new AbortController();
  const store = (name: 'paris' | 'douala') =>
    manifestStoreOf(regions[name], { folder: join(cluster.dir, 'read') });
  const live = async (name: 'paris' | 'douala') => {
    const trusted = [{ site, publicKey }];
    const manifest = await readManifest(store(name), { site, trusted });
    return manifest.live.map(({ object }) => object);
  };
  const world: SmallSite = {
    cluster,
    servers,
    events,
    privateKey,
    live,
    get engine() {
      if (engine === null) throw new Error('The engine does not run.');
      return engine;
    },
    async start(changes = {}) {
      engine = await engineOf(config, {
        regions: [regions.paris, regions.douala],
        tell: (event) => events.push(event),
        ...options,
        ...changes,
      });
      await world.archiveInto(engine.archiveCommand);
      stopping = new AbortController();
      running = engine.run(stopping.signal);
      running.catch(() => undefined);
    },
    async stop() {
      stopping.abort();
      await running;
      await engine?.[Symbol.asyncDispose]();
      engine = null;
    },
    region: (name) => regions[name],
    async openAll(name) {
      const objects = await live(name);
      for (const object of objects) {
        const cipher = await regions[name].get(object.name);
        const plain = await openObject(
          cipher,
          object,
          { kind: 'key', privateKey },
          { whoHas: () => undefined },
        );
        for await (const _ of plain);
      }
      return objects;
    },
    config,
    async twice(name) {
      const seen = new Set<string>();
      const twice: string[] = [];
      for await (const version of regions[name].versions(`${site}/`)) {
        if (seen.has(version.name) || version.isDeleteMarker) twice.push(version.name);
        seen.add(version.name);
      }
      return twice;
    },
    async archiveInto(archiveCommand) {
      await cluster.query(`alter system set archive_command = '${archiveCommand.replaceAll("'", "''")}'`);
      await cluster.query('select pg_reload_conf()');
    },
    async commit() {
      await cluster.query('create table if not exists mark (at timestamptz)');
      await cluster.query('insert into mark values (clock_timestamp())');
      const rows = await cluster.query<{ file: string }>('select pg_walfile_name(pg_switch_wal()) as file');
      return rows[0]?.file ?? '';
    },
    async [Symbol.asyncDispose]() {
      if (engine) await world.stop();
      await Promise.all(Object.values(servers).map((server) => server.close()));
      for (const region of Object.values(regions)) region.close();
      await cluster[Symbol.asyncDispose]();
    },
  };
  return world;
}
