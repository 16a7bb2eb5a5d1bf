/**
 * What both contenders back up, and to where: one Postgres that archives, filled as a school fills it, and two regions over S3 and
 * TLS, each a process of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from '../lab/ports/free-port.ts';
import { serverOwner } from '../lab/postgres/owner.ts';
import { type PostgresInstance, startPostgres } from '../lab/postgres/postgres.ts';
import { makeAuthority } from '../support/certificates.ts';

export const credential = {
  accessKeyId: 'bench',
  secretAccessKey: 'bench-secret-of-forty-characters-and-more',
};
export const bucket = 'backups';
const s3Program = fileURLToPath(new URL('../support/s3/bin/s3.ts', import.meta.url));
const segmentBytes = 16 * 1024 * 1024;
const limitMs = 600_000;

export interface BackupRegion {
  name: string;
  port: number;
}

export interface BackupWorld extends AsyncDisposable {
  /** Anybody may walk through it; what is in it belongs to the server's user. */
  dir: string;
  socketFolder: string;
  postgres: PostgresInstance;
  regions: readonly BackupRegion[];
  /** Of the authority that issued the regions' certificates. */
  caFile: string;
  query(sql: string): Promise<Record<string, string>[]>;
  /** Hands every finished segment to this command from now on; an empty one keeps them where they are. */
  archiveWith(command: string): Promise<void>;
  /** The rows that it was filled with and no others, on disk: each contender finds the same database. */
  asFilled(): Promise<void>;
  /** Writes so many segments full of rows. @returns the last one's name */
  writeSegments(count: number): Promise<string>;
  archived(segment: string): Promise<void>;
  /** Count and checksum of every table: two servers with the same answer hold the same rows. */
  fingerprint(url: string): Promise<string>;
  ownedByServer(path: string): void;
}

/** @param mebibytes Of rows, before any backup begins. */
export async function openWorld(mebibytes: number): Promise<BackupWorld> {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-bench-'));
  chmodSync(dir, 0o755);
  const owner = serverOwner();
  const ownedByServer = (path: string) => {
    if (owner.uid !== undefined && owner.gid !== undefined) chownSync(path, owner.uid, owner.gid);
  };
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rmSync(dir, { recursive: true, force: true }));
  const caFile = join(dir, 'authority.pem');
  const tls = makeCertificate(dir, caFile);
  const regions: BackupRegion[] = [];
  for (const name of ['paris', 'douala']) {
    const port = await freePort();
    const region = startRegion(dir, name, port, tls);
    opened.defer(() => ended(region));
    regions.push({ name, port });
  }
  const socketFolder = join(dir, 'socket');
  mkdirSync(socketFolder);
  ownedByServer(socketFolder);
  const postgres = await startPostgres({
    dir: join(dir, 'live'),
    settings: {
      fsync: false,
      archive_mode: 'on',
      archive_command: '',
      max_wal_size: '8GB',
      shared_buffers: '128MB',
      unix_socket_directories: socketFolder,
    },
  });
  opened.defer(() => postgres.stop());
  const client = new pg.Client(postgres.url);
  await client.connect();
  opened.defer(() => client.end());
  const query = async (sql: string) => (await client.query(sql)).rows;
  await fill(query, mebibytes);
  const archived = (segment: string) =>
    until(async () => {
      const [row] = await query(`SELECT last_archived_wal >= '${segment}' AS done FROM pg_stat_archiver`);
      return (row?.done as unknown) === true;
    });
  const all = opened.move();
  return {
    dir,
    socketFolder,
    postgres,
    regions,
    caFile,
    query,
    archived,
    ownedByServer,
    async archiveWith(command) {
      await query(`ALTER SYSTEM SET archive_command = '${command.replaceAll("'", "''")}'`);
      await query('SELECT pg_reload_conf()');
    },
    async asFilled() {
      await query('TRUNCATE receipt');
      await query('CHECKPOINT');
    },
    async writeSegments(count) {
      for (let written = 0; written < count; written++) {
        await query(`INSERT INTO receipt SELECT md5(random()::text || n), 'MVAN-' || n, now(), n % 50000, md5(random()::text)
                     FROM generate_series(1, ${Math.floor(segmentBytes / 190)}) n`);
        await query('SELECT pg_switch_wal()');
      }
      const [row] = await query('SELECT pg_walfile_name(pg_switch_wal()) AS name');
      return row?.name ?? '';
    },
    fingerprint,
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

async function fill(query: BackupWorld['query'], mebibytes: number): Promise<void> {
  await query(
    'CREATE TABLE mark (id uuid PRIMARY KEY, campus text, pupil uuid, subject text, value numeric(4,2), entered_by text, at timestamptz)',
  );
  await query('CREATE TABLE receipt (id text, number text, at timestamptz, amount int, seal text)');
  await query(`
    INSERT INTO mark SELECT md5('m' || n)::uuid, 'mvan', md5('pupil ' || n % 5000)::uuid, (ARRAY['MATH','PCT','SVT','FR'])[n % 4 + 1],
      (n % 81) / 4.0, 'prof' || n % 60, timestamptz '2026-01-01' + n * interval '1 second'
    FROM generate_series(1, ${mebibytes * 6_000}) n`);
  await query('CHECKPOINT');
}

async function fingerprint(url: string): Promise<string> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT (SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)::numeric) FROM mark t) AS mark,
              (SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM receipt t) AS receipt`,
    );
    return JSON.stringify(rows);
  } finally {
    await client.end();
  }
}

interface Tls {
  S3_CERT_FILE: string;
  S3_KEY_FILE: string;
}

function makeCertificate(dir: string, caFile: string): Tls {
  const day = 86_400_000;
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + day) };
  const authority = makeAuthority('bench', validity);
  const { certificate, privateKey } = authority.issue(['127.0.0.1', 'localhost'], validity);
  const tls = { S3_CERT_FILE: join(dir, 'region.pem'), S3_KEY_FILE: join(dir, 'region.key') };
  writeFileSync(caFile, authority.certificate);
  writeFileSync(tls.S3_CERT_FILE, certificate);
  writeFileSync(tls.S3_KEY_FILE, privateKey, { mode: 0o600 });
  return tls;
}

function startRegion(dir: string, name: string, port: number, tls: Tls): ChildProcess {
  const folder = join(dir, name);
  mkdirSync(folder);
  const credentialsFile = join(folder, 'credentials.json');
  writeFileSync(credentialsFile, JSON.stringify([credential]), { mode: 0o600 });
  const env = {
    ...process.env,
    ...tls,
    S3_DIR: join(folder, 'data'),
    S3_PORT: String(port),
    S3_CREDENTIALS_FILE: credentialsFile,
    S3_BUCKET: bucket,
  };
  return spawn(process.execPath, [s3Program], { env, stdio: ['ignore', 'ignore', 'inherit'] });
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exit;
}

export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`the bench took more than ${limitMs} ms`);
    await sleep(20);
  }
}

/** Milliseconds that it takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** One of the two that are held against each other. Each step is done once, in this order. */
export interface Contender {
  readonly name: string;
  /** Ready to take backups, with all that a first start makes by itself out of the way, and asked by the archiver. */
  prepare(): Promise<void>;
  /** A base backup, whole in both regions. */
  base(): Promise<void>;
  readonly archiveCommand: string;
  /** Everything up to this segment is in both regions. */
  inBothRegions(segment: string): Promise<void>;
  /** A server out of one region, with everything up to the newest segment. @returns its address, and what ends it */
  restore(): Promise<{ url: string; stop(): Promise<void> }>;
  /** Mebibytes that the process held at its most. */
  peaks(): { backup: number; restore: number } | null;
  stop(): Promise<void>;
}
