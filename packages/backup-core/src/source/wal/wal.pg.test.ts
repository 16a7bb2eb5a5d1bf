import { execFile, spawnSync } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withClient } from '../server.ts';
import { startCluster, type TestCluster } from '../source.fixture.ts';
import { type ArchiveWords, archiveCommand, archiveWords, writeArchiveAccess } from './archive-access.ts';
import { WalError } from './errors.ts';
import { openWalInbox, takenFiles, type WalInbox } from './wal-inbox.ts';
import { buildWalReceiver, listenForWal } from './wal-receiver.ts';
import { walSettingProblems, walSettings } from './wal-settings.ts';

let cluster: TestCluster;
let inbox: WalInbox;
let server: FastifyInstance;
let words: ArchiveWords;
let access: string;
let port: number;
let full = false;
let systemIdentifier: string;

beforeAll(async () => {
  cluster = await startCluster({ archive_mode: 'on', archive_timeout: 60 });
  const rows = await cluster.query<{ id: string }>(
    'select system_identifier::text as id from pg_control_system()',
  );
  systemIdentifier = rows[0]?.id ?? '';
  inbox = openWalInbox({
    folder: join(cluster.dir, 'incoming'),
    taken: () => null,
    isOurs: async (id) => id === systemIdentifier,
    requireRoom() {
      if (full) throw new WalError('WAL_SPOOL_FULL', 'The spool is full.');
    },
  });
  access = join(cluster.dir, 'archive-access');
  words = archiveWords(access);
  await open(0);
  const { uid, gid } = statSync(cluster.postgres.dataDir);
  writeArchiveAccess(access, words, port, { uid, gid });
  await cluster.query(`alter system set archive_command = '${archiveCommand(access).replaceAll("'", "''")}'`);
  await cluster.query('select pg_reload_conf()');
});
afterAll(async () => {
  await server.close();
  await cluster[Symbol.asyncDispose]();
});

async function open(at: number): Promise<void> {
  server = buildWalReceiver({ inbox, words, now: Date.now });
  port = await listenForWal(server, at);
}

async function switchWal(): Promise<string> {
  await cluster.query(`select pg_logical_emit_message(false, 'test', 'x')`);
  const rows = await cluster.query<{ file: string }>('select pg_walfile_name(pg_switch_wal()) as file');
  return rows[0]?.file ?? '';
}

const archived = () => takenFiles(inbox.folder).map(({ name }) => name.file);

/** The archive command itself, by hand. */
function hand(file: string, bytes: Buffer, accessFile = access) {
  const dir = join(cluster.dir, 'hand');
  mkdirSync(dir, { recursive: true });
  const path = join(dir, file);
  writeFileSync(path, bytes);
  const command = archiveCommand(accessFile).replaceAll('%p', path).replaceAll('%f', file);
  return new Promise<{ status: number | null; stderr: string }>((done) => {
    execFile('/bin/sh', ['-c', command], (error, _out, stderr) =>
      done({ status: error ? Number(error.code) : 0, stderr }),
    );
  });
}

test('Postgres hands over each segment, and it is the same bytes', async () => {
  const segments = [await switchWal(), await switchWal(), await switchWal()];
  await expect.poll(archived).toEqual(expect.arrayContaining(segments));
  const last = takenFiles(inbox.folder).at(-1);
  expect(statSync(last?.path ?? '').size).toBe(16 * 1024 * 1024);
  expect(last?.modified.getTime()).toBeLessThanOrEqual(Date.now());
  const [failed] = await cluster.query<{ failed_count: string }>('select failed_count from pg_stat_archiver');
  expect(Number(failed?.failed_count)).toBe(0);
});

test('the same segment again is yes, other bytes under its name are no', async () => {
  const taken = takenFiles(inbox.folder)[0];
  const bytes = readFileSync(taken?.path ?? '');
  const file = taken?.name.file ?? '';
  expect(await hand(file, bytes)).toEqual({ status: 0, stderr: '' });
  bytes[9000] = (bytes[9000] as number) ^ 1;
  expect(await hand(file, bytes)).toMatchObject({ status: 1, stderr: expect.stringContaining('409') });
  expect(archived().filter((name) => name === file)).toHaveLength(1);
});

test('a segment that is cut short, misnamed or of another server is refused', async () => {
  const taken = takenFiles(inbox.folder).at(-1);
  const bytes = readFileSync(taken?.path ?? '');
  const file = taken?.name.file ?? '';
  const next = '0000000100000000000000F0';
  expect((await hand(next, bytes)).status).toBe(1);
  rmSync(taken?.path ?? '');
  expect((await hand(file, bytes.subarray(0, 1_000_000))).status).toBe(1);
  const foreign = Buffer.from(bytes);
  foreign.writeBigUInt64LE(42n, 24);
  expect((await hand(file, foreign)).stderr).toContain('409');
  expect(archived()).not.toContain(file);
  expect((await hand(file, bytes)).status).toBe(0);
  expect(archived()).toContain(file);
});

test('a segment that the daemon can open is sealed where it lies, and so is the next one before it is asked for', async () => {
  const { uid } = statSync(cluster.postgres.dataDir);
  const pgWal = join(cluster.postgres.dataDir, 'pg_wal');
  const taken = takenFiles(inbox.folder).filter(({ name }) => name.kind === 'segment');
  const bytes = readFileSync(taken.at(-1)?.path ?? '');
  const sealed: string[] = [];
  const known = new Map<string, string>();
  const inPlace = openWalInbox({
    folder: join(cluster.dir, 'in-place'),
    taken: (_system, file) => known.get(file) ?? null,
    isOurs: async (id) => id === systemIdentifier,
    requireRoom: () => undefined,
    serverUid: uid,
    sealInPlace: async ({ file, requireUntouched }) => {
      await requireUntouched();
      if (known.size === 1) return false;
      sealed.push(file);
      return true;
    },
  });
  const segmentAt = (number: number) => {
    const file = `0000000100000000000000${number.toString(16).toUpperCase()}`;
    const content = Buffer.from(bytes);
    content.writeBigUInt64LE(BigInt(number) * 16n * 2n ** 20n, 8);
    writeFileSync(join(pgWal, file), content);
    chownSync(join(pgWal, file), uid, uid);
    writeFileSync(join(pgWal, 'archive_status', `${file}.ready`), '');
    return file;
  };
  const place = (file: string) => {
    const path = join(pgWal, file);
    const { size, ino } = statSync(path, { bigint: true });
    return { path: Buffer.from(path), bytes: Number(size), inode: ino };
  };
  const [first = '', second = '', third = ''] = [0xf1, 0xf2, 0xf3].map(segmentAt);
  expect(await inPlace.takeInPlace(first, place(first))).toBe(true);
  await expect.poll(() => sealed).toEqual([first, second]);
  const changed = statSync(join(pgWal, third));
  expect(await inPlace.takeInPlace(second, place(second))).toBe(true);
  await expect.poll(() => sealed).toEqual([first, second, third]);
  // Written to since it was sealed ahead: it is another one, and is looked at anew.
  utimesSync(join(pgWal, third), changed.atime, new Date(changed.mtimeMs + 5_000));
  expect(await inPlace.takeInPlace(third, place(third))).toBe(true);
  expect(sealed).toEqual([first, second, third, third]);
  expect(await inPlace.takeInPlace(first, { ...place(first), inode: 1n })).toBe(false);
  expect(await inPlace.takeInPlace('00000002.history', place(first))).toBe(false);
  known.set(first, 'a hash');
  expect(await inPlace.takeInPlace(first, place(first))).toBe(false);
  expect(await inPlace.takeInPlace(second, place(second))).toBe(false);
  symlinkSync(join(pgWal, second), join(cluster.dir, second));
  const behindLink = { ...place(second), path: Buffer.from(join(cluster.dir, second)) };
  expect(await inPlace.takeInPlace(second, behindLink)).toBe(false);
  for (const file of [first, second, third]) {
    rmSync(join(pgWal, file));
    rmSync(join(pgWal, 'archive_status', `${file}.ready`));
  }
});

test('histories are taken, backup labels and partial segments are kept aside', async () => {
  expect((await hand('00000002.history', Buffer.from('1\t0/3000000\tno recovery target\n'))).status).toBe(0);
  expect((await hand('000000010000000000000003.00000028.backup', Buffer.from('START WAL'))).status).toBe(0);
  expect((await hand('000000010000000000000009.partial', Buffer.from('half'))).status).toBe(0);
  expect(archived()).toContain('00000002.history');
  expect(readdirSync(join(cluster.dir, 'incoming', 'aside'))).toHaveLength(2);
  expect((await hand('postgresql.conf', Buffer.from('x'))).status).toBe(1);
});

test('nothing that is unsure is yes: no daemon, a stranger on its port, no access file, a wrong word, a full spool', async () => {
  const bytes = Buffer.from('1\t0/3000000\tno recovery target\n');
  const file = '00000007.history';
  full = true;
  expect((await hand(file, bytes)).stderr).toContain('503');
  full = false;
  expect((await hand(file, bytes, join(cluster.dir, 'missing'))).status).toBe(1);
  const wrong = join(cluster.dir, 'wrong-access');
  writeArchiveAccess(wrong, archiveWords(join(cluster.dir, 'never')), port);
  expect((await hand(file, bytes, wrong)).stderr).toContain('401');
  await server.close();
  expect((await hand(file, bytes)).status).toBe(1);
  const stranger = createServer((request, response) => {
    request
      .resume()
      .on('end', () => response.writeHead(200, { 'x-safe': `yes ${file} ${bytes.length}` }).end());
  });
  await new Promise<void>((done) => stranger.listen(port, '127.0.0.1', done));
  expect((await hand(file, bytes)).stderr).toContain('not the backup daemon');
  stranger.close();
  await open(port);
  expect((await hand(file, bytes)).status).toBe(0);
});

test('what Postgres kept while nobody answered comes when somebody does', async () => {
  await server.close();
  const file = await switchWal();
  await expect
    .poll(
      async () =>
        (await cluster.query<{ n: string }>('select failed_count as n from pg_stat_archiver'))[0]?.n,
    )
    .not.toBe('0');
  expect(archived()).not.toContain(file);
  await open(port);
  await expect.poll(archived, { timeout: 60_000, interval: 500 }).toContain(file);
});

test('settings without which no WAL comes in time are named', async () => {
  const wanted = archiveCommand(access);
  const problems = () => withClient(cluster.postgres.url, (client) => walSettingProblems(client, wanted));
  expect(await problems()).toEqual([]);
  await cluster.query(`alter system set archive_timeout = 0`);
  await cluster.query('select pg_reload_conf()');
  await expect
    .poll(async () => (await problems()).map(({ setting }) => setting))
    .toEqual(['archive_timeout']);
  await cluster.query(`alter system set archive_timeout = '${walSettings(wanted).archive_timeout}'`);
  await cluster.query('select pg_reload_conf()');
  await expect.poll(problems).toEqual([]);
  expect(spawnSync('bash', ['-n', new URL('archive-wal.bash', import.meta.url).pathname]).status).toBe(0);
});
