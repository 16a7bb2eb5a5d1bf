/**
 * A Postgres of its own whose WAL, bases and dumps are sealed into folders that stand for regions: what a restore, a drill
 * or a rescue of rows needs, without the machinery that carries objects to real regions.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  createReadStream,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { chown, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateKey, type PrivateKey, readKey, readPrivateKey } from 'openpgp';
import pg from 'pg';
import { objectName } from '../../packages/backup-core/src/format/names.ts';
import type { AboutByKind, ObjectKind, SealedObject } from '../../packages/backup-core/src/format/object.ts';
import type { Recipient } from '../../packages/backup-core/src/keys/recipient.ts';
import type { ObjectSource, Reader } from '../../packages/backup-core/src/restore/objects.ts';
import { sessionKeys } from '../../packages/backup-core/src/seal/open.ts';
import { openObject } from '../../packages/backup-core/src/seal/open-object.ts';
import { seal } from '../../packages/backup-core/src/seal/seal.ts';
import { takeBaseBackup } from '../../packages/backup-core/src/source/base-backup.ts';
import { takeDump } from '../../packages/backup-core/src/source/dump.ts';
import { ByteThread } from '../../packages/backup-core/src/thread/byte-thread.ts';
import { serverOwner } from '../lab/postgres/owner.ts';
import { type PostgresInstance, startPostgres } from '../lab/postgres/postgres.ts';

const SITE = 'mvan';
const STALL_MS = 60_000;

export interface ArchivedPostgres {
  readonly dir: string;
  readonly postgres: PostgresInstance;
  readonly objects: SealedObject[];
  readonly reader: Reader;
  /** One folder per region; a file of an object is under its name. */
  readonly regions: Readonly<Record<'paris' | 'douala', string>>;
  readonly privateKey: PrivateKey;
  readonly recipient: Recipient;
  query(sql: string, values?: unknown[]): Promise<pg.QueryResult>;
  takeBase(): Promise<SealedObject<'base'>>;
  takeDump(database?: string): Promise<SealedObject<'dump'>>;
  /** Where archive_command leaves what `sealArchived` takes. */
  readonly archived: string;
  sealArchived(): Promise<void>;
  /** Ends the current segment and seals all that is archived. */
  archive(): Promise<void>;
  stop(): Promise<void>;
}

export interface ArchivedOptions {
  totals?: Readonly<Record<string, string>>;
}

export async function startArchivedPostgres(options: ArchivedOptions = {}): Promise<ArchivedPostgres> {
  const dir = await mkdtemp(join(tmpdir(), 'skooly-archived-'));
  chmodSync(dir, 0o755);
  const archived = join(dir, 'archived');
  mkdirSync(archived);
  const { uid, gid } = serverOwner();
  if (uid !== undefined && gid !== undefined) await chown(archived, uid, gid);
  const regions = { paris: join(dir, 'paris'), douala: join(dir, 'douala') };
  const postgres = await startPostgres({
    dir: join(dir, 'live'),
    settings: {
      archive_mode: true,
      archive_command: archiveInto(archived),
      fsync: false,
    },
  });
  const { recipient, privateKey } = await keyPair();
  const objects: SealedObject[] = [];
  const source = (name: string, folder: string): ObjectSource => ({
    name,
    get: async (object) => {
      if (!existsSync(join(folder, object))) throw new Error(`${object} is not there`);
      return createReadStream(join(folder, object), { highWaterMark: 2 ** 20 });
    },
  });
  const decryptor = { kind: 'key', privateKey } as const;
  const whoHas = (sha256: string) => objects.find((object) => object.sha256 === sha256)?.name;
  const thread = new ByteThread();
  const asked = { unlock: (packets: Uint8Array) => sessionKeys(packets, privateKey), whoHas };
  const reader: Reader = {
    sources: [source('paris', regions.paris), source('douala', regions.douala)],
    open: (cipher, object) => openObject(cipher, object, decryptor, { whoHas }),
    pour: (cipher, object, sink, signal) => thread.open(cipher, { object, sink, asked, signal }),
  };

  async function put<K extends ObjectKind>(
    kind: K,
    what: Parameters<typeof objectName>[0]['what'],
    plain: Readable,
    about: () => Promise<AboutByKind[K]>,
  ): Promise<SealedObject<K>> {
    const name = objectName({ site: SITE, kind, what, random: randomBytes(4) });
    const file = join(regions.paris, name);
    mkdirSync(dirname(file), { recursive: true });
    mkdirSync(dirname(join(regions.douala, name)), { recursive: true });
    const sealed = await seal(plain, { recipients: [recipient], into: file });
    linkSync(file, join(regions.douala, name));
    const facts = { recipients: [recipient.fingerprint], sealedAt: new Date().toISOString() };
    const object = { name, kind, ...sealed, ...facts, about: await about() } as SealedObject<K>;
    objects.push(object as SealedObject);
    return object;
  }

  const client = new pg.Pool({ connectionString: postgres.url, max: 4 });
  client.on('error', () => undefined);
  const identifier = (await client.query('select system_identifier::text as id from pg_control_system()'))
    .rows[0].id;
  const access = { url: postgres.url, stallMs: STALL_MS, signal: new AbortController().signal, ...options };

  async function sealArchived(): Promise<void> {
    for (const file of readdirSync(archived).sort()) {
      if (file.endsWith('.part') || file.endsWith('.backup') || file.endsWith('.partial')) continue;
      const closedAt = statSync(join(archived, file)).mtime.toISOString();
      const plain = createReadStream(join(archived, file));
      const timeline = Number.parseInt(file.slice(0, 8), 16);
      if (file.endsWith('.history')) {
        await put('history', { history: file }, plain, async () => ({
          systemIdentifier: identifier,
          timeline,
          file,
        }));
      } else {
        const start = (BigInt(`0x${file.slice(8, 16)}`) << 32n) + (BigInt(`0x${file.slice(16)}`) << 24n);
        await put('wal', { segment: file }, plain, async () => ({
          systemIdentifier: identifier,
          timeline,
          segment: file,
          startLsn: lsn(start),
          endLsn: lsn(start + 0x1000000n),
          closedAt,
        }));
      }
      rmSync(join(archived, file));
    }
  }

  return {
    dir,
    postgres,
    objects,
    reader,
    regions,
    privateKey,
    recipient,
    archived,
    sealArchived,
    query: (sql, values) => client.query(sql, values),
    async takeBase() {
      const taken = await takeBaseBackup(access);
      return put('base', new Date(), taken.stream, () => taken.about());
    },
    async takeDump(database = 'postgres') {
      const taken = await takeDump({ ...access, url: postgres.urlOf(database) });
      return put('dump', new Date(), taken.stream, () => taken.about());
    },
    async archive() {
      const { rows } = await client.query('select pg_walfile_name(pg_switch_wal()) as segment');
      const { segment } = rows[0];
      while (!(await isArchived(client, segment))) await sleep(20);
      await sealArchived();
    },
    async stop() {
      await thread[Symbol.asyncDispose]();
      await client.end();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function archiveInto(folder: string): string {
  return `cp "%p" "${folder}/%f.part" && mv "${folder}/%f.part" "${folder}/%f"`;
}

/** Nothing was written since the last switch: then the switch names a segment that is archived already, or never will be. */
async function isArchived(client: pg.Pool, segment: string): Promise<boolean> {
  const { rows } = await client.query('select last_archived_wal >= $1 as done from pg_stat_archiver', [
    segment,
  ]);
  return rows[0].done === true;
}

function lsn(position: bigint): string {
  return `${(position >> 32n).toString(16)}/${(position & 0xffff_ffffn).toString(16)}`.toUpperCase();
}

async function keyPair(): Promise<{ recipient: Recipient; privateKey: PrivateKey }> {
  const userId = 'Test <test@example.org>';
  const pair = await generateKey({ type: 'ecc', userIDs: [{ name: 'Test', email: 'test@example.org' }] });
  const key = await readKey({ armoredKey: pair.publicKey });
  const fingerprint = key.getFingerprint().toUpperCase();
  const recipient = { fingerprint, userId, expires: null, enrolledAt: new Date(), key };
  return { recipient, privateKey: await readPrivateKey({ armoredKey: pair.privateKey }) };
}
