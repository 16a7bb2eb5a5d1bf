/**
 * The backups of a sync log in a bucket of a strict S3 server, sealed and signed as a box does it, and what a stranger has on the
 * worst day: that bucket, a private key, and the key of the manifest. Without a Postgres.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { generateKey } from 'openpgp';
import pino from 'pino';
import { buildCli } from '../../packages/backup-core/src/cli/cli.ts';
import { exitCodeOf, explain } from '../../packages/backup-core/src/cli/exit-codes.ts';
import type { Language } from '../../packages/backup-core/src/cli/terminal.ts';
import { objectName } from '../../packages/backup-core/src/format/names.ts';
import type { SealedObject } from '../../packages/backup-core/src/format/object.ts';
import { makeManifestKey, publicKeyPem } from '../../packages/backup-core/src/keys/manifest-key.ts';
import { readRecipient } from '../../packages/backup-core/src/keys/recipient.ts';
import { ManifestWriter } from '../../packages/backup-core/src/manifest/manifest-writer.ts';
import { noMultipartState } from '../../packages/backup-core/src/region/region.ts';
import { openRegion } from '../../packages/backup-core/src/region/s3-region.ts';
import { RegionCredentials } from '../../packages/backup-core/src/region/settings.ts';
import { seal } from '../../packages/backup-core/src/seal/seal.ts';
import {
  nextRange,
  type SyncLogSource,
  takeSyncLog,
} from '../../packages/backup-core/src/source/sync-log.ts';
import { manifestStoreOf } from '../../packages/backup-core/src/upload/manifest-store.ts';
import { startS3, testCredential } from './s3/s3.ts';

const bucket = 'skooly-backup';

export interface LogBackups extends AsyncDisposable {
  readonly dir: string;
  /** Backs up what is new of the log. */
  take(log: SyncLogSource): Promise<void>;
  /** The bucket, as any S3 client copies it into a folder. */
  copyBucket(folder: string): Promise<void>;
  readonly keyFile: string;
  /** Of the manifest, as PEM. */
  readonly manifestKey: string;
  /** A command of skooly-backup on a machine that has nothing of the box. */
  command(...args: string[]): Promise<{ out: string; errors: string; code: number }>;
  language: Language;
}

export async function startLogBackups(site: string): Promise<LogBackups> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-log-backups-'));
  const server = await startS3({ buckets: [{ name: bucket, versioning: true, lock: true }] });
  const { accessKeyId, secretAccessKey } = testCredential;
  const region = openRegion({
    name: 'paris',
    endpoint: server.endpoint,
    bucket,
    credentials: new RegionCredentials(accessKeyId, secretAccessKey),
    abilitiesFile: null,
  });
  const pair = await generateKey({ type: 'ecc', userIDs: [{ name: 'Test', email: 'test@example.org' }] });
  const recipient = await readRecipient(Buffer.from(pair.publicKey), new Date());
  const key = await makeManifestKey(join(dir, 'manifest.pem'));
  const manifest = join(dir, 'manifest');
  const writer = await ManifestWriter.open({ site, key, dir: manifest, now: () => new Date() });
  const secret = (name: string, text: string) => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const { endpoint } = server;
  const secretKeyFile = secret('s3-secret', secretAccessKey);
  const regions = [{ name: 'paris', endpoint, bucket, accessKeyId, secretKeyFile }];
  const trustedKeys = [{ publicKey: key.publicKey }];
  const config = secret('backup.json', JSON.stringify({ site, trustedKeys, regions }));
  const keyFile = secret('private.asc', pair.privateKey);
  let cursor: { epoch: string; seq: number } | null = null;

  const backups: LogBackups = {
    dir,
    language: 'en',
    keyFile,
    manifestKey: publicKeyPem(key.publicKey),
    async copyBucket(folder) {
      for await (const { name } of region.list('')) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), await region.get(name));
      }
    },
    async take(log) {
      const range = nextRange(log, cursor);
      if (range === null) return;
      const { about } = range;
      const name = objectName({ site, kind: 'sync-log', what: new Date(), random: randomBytes(4) });
      const path = join(dir, 'sealing');
      const sealed = await seal(takeSyncLog(log, about).stream, { recipients: [recipient], into: path });
      const put = { name, kind: 'sync-log', ...sealed, about } as const;
      const facts = { recipients: [recipient.fingerprint], sealedAt: new Date().toISOString() };
      const file = { path, bytes: sealed.bytes, sha256: sealed.sha256 };
      await region.put(name, file, { signal: AbortSignal.timeout(20_000), state: noMultipartState });
      rmSync(path);
      await writer.append({ put: [{ ...put, ...facts } as SealedObject] });
      await writer.deliver(manifestStoreOf(region, { folder: join(dir, 'sending') }));
      cursor = { epoch: about.epoch, seq: about.toSeq };
    },
    async command(...args) {
      const told = { out: '', errors: '', code: 0 };
      const { language } = backups;
      const write = (text: string) => {
        told.out += text;
      };
      const complain = (text: string) => {
        told.errors += text;
      };
      const setExitCode = (code: number) => {
        told.code = code;
      };
      const program = buildCli({
        openRegion,
        terminal: { write, complain, live: false, language, askHidden: async () => null },
        signal: new AbortController().signal,
        now: () => new Date(),
        log: pino({ level: 'silent' }),
        setExitCode,
      });
      try {
        await program.parseAsync([...args, '--key', keyFile, '--config', config], { from: 'user' });
      } catch (error) {
        told.code = exitCodeOf(error);
        told.errors += explain(error, language);
      }
      return told;
    },
    async [Symbol.asyncDispose]() {
      region.close();
      await server.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return backups;
}
