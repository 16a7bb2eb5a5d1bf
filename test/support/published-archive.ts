/**
 * An archived Postgres whose objects and signed manifest lie in two strict S3 servers, and the files that an operator has: a
 * configuration and a private key. Everything a command of skooly-backup needs.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeManifestKey } from '../../packages/backup-core/src/keys/manifest-key.ts';
import { ManifestWriter } from '../../packages/backup-core/src/manifest/manifest-writer.ts';
import { noMultipartState } from '../../packages/backup-core/src/region/region.ts';
import { openRegion } from '../../packages/backup-core/src/region/s3-region.ts';
import { RegionCredentials } from '../../packages/backup-core/src/region/settings.ts';
import { manifestStoreOf } from '../../packages/backup-core/src/upload/manifest-store.ts';
import { type ArchivedOptions, type ArchivedPostgres, startArchivedPostgres } from './archived-postgres.ts';
import { type S3Server, startS3, testCredential } from './s3/s3.ts';

export interface PublishedArchive {
  readonly live: ArchivedPostgres;
  readonly servers: readonly [S3Server, S3Server];
  readonly configFile: string;
  /** OpenPGP, without a passphrase. */
  readonly keyFile: string;
  readonly scratch: string;
  /** Sends what is new to both regions, then an entry that names it. */
  publish(): Promise<void>;
  stop(): Promise<void>;
}

const BUCKET = 'skooly-backup';
const names = ['paris', 'douala'] as const;

export async function publishArchive(options: ArchivedOptions = {}): Promise<PublishedArchive> {
  const live = await startArchivedPostgres(options);
  const start = () => startS3({ buckets: [{ name: BUCKET, versioning: true }] });
  const servers = [await start(), await start()] as const;
  const secretKeyFile = secret(live.dir, 's3-secret', testCredential.secretAccessKey);
  const stateDir = join(live.dir, 'state');
  const scratch = join(live.dir, 'scratch');
  mkdirSync(scratch, { mode: 0o755 });
  const manifestKeyFile = join(live.dir, 'manifest.pem');
  const key = await makeManifestKey(manifestKeyFile);
  const drillKeyFile = join(live.dir, 'drill.pem');
  await makeManifestKey(drillKeyFile);
  const regions = names.map((name, i) => {
    const credentials = new RegionCredentials(testCredential.accessKeyId, testCredential.secretAccessKey);
    const { endpoint } = servers[i] as S3Server;
    return openRegion({ name, endpoint, bucket: BUCKET, credentials, abilitiesFile: null });
  });
  const stores = regions.map((region) => manifestStoreOf(region, { folder: join(live.dir, 'sending') }));
  const dir = join(live.dir, 'manifest');
  const writer = await ManifestWriter.open({ site: 'mvan', key, dir, now: () => new Date() });
  const config = {
    site: 'mvan',
    stateDir,
    manifestKeyFile,
    databaseUrlFile: secret(live.dir, 'database-url', live.postgres.url),
    totals: options.totals ?? {},
    regions: names.map((name, i) => ({
      name,
      endpoint: (servers[i] as S3Server).endpoint,
      bucket: BUCKET,
      accessKeyId: testCredential.accessKeyId,
      secretKeyFile,
    })),
    drills: { scratchDir: scratch, keyFile: drillKeyFile },
  };
  let published = 0;
  return {
    live,
    servers,
    scratch,
    configFile: secret(live.dir, 'backup.json', JSON.stringify(config)),
    keyFile: secret(live.dir, 'private.asc', live.privateKey.armor()),
    async publish() {
      const fresh = live.objects.slice(published);
      published = live.objects.length;
      for (const region of regions) {
        for (const { name, bytes, sha256 } of fresh) {
          const file = { path: join(live.regions.paris, name), bytes, sha256 };
          await region.put(name, file, { signal: new AbortController().signal, state: noMultipartState });
        }
      }
      await writer.append({ put: fresh });
      for (const store of stores) await writer.deliver(store);
    },
    async stop() {
      for (const region of regions) region.close();
      for (const server of servers) await server.close();
      await live.stop();
    },
  };
}

function secret(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
