import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKey } from 'openpgp';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type S3Server, startS3, testCredential } from '../../../../test/support/s3/s3.ts';
import { openRegion } from '../region/s3-region.ts';
import { startCluster, type TestCluster } from '../source/source.fixture.ts';
import { archiveCommand } from '../source/wal/archive-access.ts';
import { buildCli } from './cli.ts';
import { exitCodeOf } from './exit-codes.ts';

let cluster: TestCluster;
let servers: S3Server[];
let file: string;
const stop = new AbortController();

beforeAll(async () => {
  cluster = await startCluster({ archive_mode: 'on', archive_timeout: 60, max_wal_senders: 4 });
  servers = [await startServer(), await startServer()];
  const { dir } = cluster;
  const secret = (name: string, text: string, mode = 0o600) => {
    writeFileSync(join(dir, name), text, { mode });
    return join(dir, name);
  };
  const recipients = await Promise.all(
    ['administrator', 'recovery'].map(async (name) => {
      const { publicKey } = await generateKey({
        type: 'ecc',
        userIDs: [{ name, email: `${name}@example.org` }],
      });
      const { out } = await run(['keys', 'check', secret(`${name}.asc`, publicKey)]);
      return JSON.parse(out);
    }),
  );
  await run(['init', '--manifest-key', join(dir, 'keys', 'manifest.pem')]);
  const accessFile = join(dir, 'archive-access');
  mkdirSync(join(dir, 'state'));
  const { uid } = statSync(cluster.postgres.dataDir);
  const config = {
    site: 'mvan',
    stateDir: join(dir, 'state'),
    manifestKeyFile: join(dir, 'keys', 'manifest.pem'),
    databaseUrlFile: secret('database-url', cluster.postgres.url),
    recipients,
    archive: { accessFile, ...(uid !== process.getuid?.() && { serverUser: 'postgres' }) },
    regions: ['paris', 'douala'].map((name, i) => ({
      name,
      endpoint: (servers[i] as S3Server).endpoint,
      bucket: 'backups',
      accessKeyId: testCredential.accessKeyId,
      secretKeyFile: secret('s3-secret', testCredential.secretAccessKey),
    })),
  };
  file = secret('backup.json', JSON.stringify(config));
  await cluster.query(
    `alter system set archive_command = '${archiveCommand(accessFile).replaceAll("'", "''")}'`,
  );
  await cluster.query('select pg_reload_conf()');
}, 60_000);
afterAll(async () => {
  stop.abort();
  for (const server of servers) await server.close();
  await cluster[Symbol.asyncDispose]();
});

const startServer = () => startS3({ buckets: [{ name: 'backups', versioning: true, lock: true }] });

async function run(args: string[], signal = new AbortController().signal) {
  const told = { out: '', errors: '', code: 0 };
  const program = buildCli({
    openRegion,
    terminal: {
      write: (text) => {
        told.out += text;
      },
      complain: (text) => {
        told.errors += text;
      },
      live: false,
      language: 'en',
      askHidden: async () => null,
    },
    signal,
    now: () => new Date(),
    log: pino({ level: 'silent' }),
    setExitCode: (code) => {
      told.code = code;
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    told.code = exitCodeOf(error);
    told.errors += (error as Error).message;
  }
  return told;
}

test('kit prints a page for a stranger, and names what its facts lack', async () => {
  const facts = join(cluster.dir, 'facts.json');
  const out = join(cluster.dir, 'kit.html');
  const people = [{ name: 'Ngo Biyong', role: 'bursar', phone: '+237 6 00 00 00 00' }];
  const keys = [
    { role: 'administrator', where: 'safe of the bursar' },
    { role: 'recovery', where: 'drill machine' },
  ];
  writeFileSync(
    facts,
    JSON.stringify({ database: 'skooly', postgres: '15', providers: {}, keys, people: [] }),
  );
  const kit = ['kit', '--facts', facts, '--out', out, '--config', file];
  expect(await run(kit)).toMatchObject({ code: 2, errors: expect.stringContaining('/people') });
  writeFileSync(facts, JSON.stringify({ database: 'skooly', postgres: '15', providers: {}, keys, people }));
  expect((await run(kit)).code).toBe(0);
  const page = readFileSync(out, 'utf8');
  for (const words of ['safe of the bursar', '+237 6 00 00 00 00', 'gpg --decrypt'])
    expect(page).toContain(words);
});

test('a new site: from init to a status without alarm, a dump on demand, and an end when told', async () => {
  expect(await run(['dump', '--config', file])).toMatchObject({
    code: 2,
    errors: expect.stringContaining('no running daemon'),
  });
  const daemon = run(['run', '--config', file], stop.signal);
  const status = async () => {
    const { out } = await run(['status', '--json', '--config', file]);
    const { dump, base, alarms = ['none yet'], queue } = out ? JSON.parse(out) : {};
    return {
      dump: dump != null,
      base: base != null,
      alarms,
      queue: queue?.map((one: { objects: number }) => one.objects),
    };
  };
  await expect
    .poll(status, { timeout: 50_000, interval: 500 })
    .toEqual({ dump: true, base: true, alarms: [], queue: [0, 0] });
  expect(await run(['dump', '--config', file])).toMatchObject({
    code: 0,
    out: expect.stringContaining('sealed'),
  });
  const dumps = async () =>
    (await run(['list', '--kind', 'dump', '--config', file])).out.trim().split('\n').length;
  await expect.poll(dumps, { timeout: 20_000, interval: 500 }).toBe(2);
  stop.abort();
  expect(await daemon).toMatchObject({ code: 0, errors: '' });
});
