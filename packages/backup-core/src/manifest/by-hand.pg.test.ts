import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchivedPostgres, startArchivedPostgres } from '../../../../test/support/archived-postgres.ts';
import { MemoryManifestStore } from '../../../../test/support/memory-manifest-store.ts';
import { manifestKeyFrom, publicKeyPem } from '../keys/manifest-key.ts';
import { serverOwner } from '../restore/postgres/owner.ts';
import { findPrograms, majorOfVersion } from '../restore/postgres/programs.ts';
import { ManifestWriter } from './manifest-writer.ts';

/** The commands of the document, with the names of a site, a database and two moments in them. */
const [manifestAndDump, pointInTime] = shellBlocks();
let live: ArchivedPostgres;
let dir: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  live = await startArchivedPostgres();
  await live.query('create table fee (id int primary key)');
  await live.query('insert into fee select generate_series(1, 100)');
  await live.takeBase();
  await live.query('insert into fee select generate_series(101, 200)');
  await live.takeDump();
  dir = live.regions.paris;
  await writeManifestAndKeys();
}, 120_000);
afterAll(async () => {
  execFileSync('gpgconf', ['--homedir', join(dir, 'gnupg'), '--kill', 'all']);
  await live?.stop();
});

test('the dump comes back into an empty database by the words of FORMAT.md', () => {
  const out = shell(manifestAndDump.replaceAll(/\bskooly(?!-)/g, 'by_hand'));
  expect(out).toContain('Signature Verified Successfully');
  expect(out).not.toContain('does not follow');
  expect(shell('psql -At -d by_hand -c "select count(*) from fee"')).toContain('200');
}, 120_000);

test('a moment comes back by the words of FORMAT.md', async () => {
  const moment = (await live.query('select clock_timestamp() as at')).rows[0].at as Date;
  await live.query('insert into fee select generate_series(201, 300)');
  await live.archive();
  await writeManifestAndKeys();
  const port = await freePort();
  const words = pointInTime
    .replaceAll('2026-11-23T09:32:00Z', moment.toISOString())
    .replaceAll('2026-11-23 10:32:00+01', doualaTime(moment))
    .replaceAll('5499', String(port))
    .replaceAll('/tmp', dir);
  try {
    expect(shell(`${manifestAndDump.split('# 4.')[0]}\n${words}`)).toMatch(/^t$/m);
    const count = `psql -At -h ${dir} -p ${port} -d postgres -c "select count(*) from fee"`;
    expect(shell(count).trim()).toBe('200');
  } finally {
    shell('pg_ctl -D data -m immediate stop || true');
  }
}, 120_000);

function shellBlocks(): [string, string] {
  const format = readFileSync(new URL('../../FORMAT.md', import.meta.url), 'utf8');
  const byHand = format.slice(format.indexOf('## Restoring by hand'));
  const blocks = [...byHand.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block as string);
  expect(blocks).toHaveLength(2);
  return blocks as [string, string];
}

/** A new machine each time: the folder holds the region, the public manifest key and an imported private key. */
async function writeManifestAndKeys(): Promise<void> {
  execFileSync('rm', ['-rf', join(dir, 'mvan/manifest'), join(dir, 'mvan/page'), join(dir, '../state')]);
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = manifestKeyFrom(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'test');
  writeFileSync(join(dir, 'manifest.pub'), publicKeyPem(key.publicKey));
  const state = join(dir, '../state');
  const writer = await ManifestWriter.open({ site: 'mvan', key, dir: state, now: () => new Date() });
  for (const object of live.objects) await writer.append({ put: [object] });
  const bucket = new MemoryManifestStore('paris');
  await writer.deliver(bucket);
  for (const [name, bytes] of bucket.files) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), bytes);
  }
  const home = join(dir, 'gnupg');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  chmodSync(home, 0o700);
  const { uid, gid } = serverOwner();
  if (uid !== undefined) execFileSync('chown', ['-R', `${uid}:${gid}`, dir]);
  const url = new URL(live.postgres.url);
  const { rows } = await live.query('show server_version');
  const { folder } = findPrograms(majorOfVersion(rows[0].server_version));
  env = {
    HOME: dir,
    GNUPGHOME: home,
    PATH: `${folder}:${process.env.PATH}`,
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: decodeURIComponent(url.password),
  };
  shell('gpg --batch --quiet --import', live.privateKey.armor());
}

function shell(script: string, input = ''): string {
  const options = { cwd: dir, env, encoding: 'utf8', stdio: 'pipe', input, ...serverOwner() } as const;
  return execFileSync('bash', ['-o', 'pipefail', '-e', '-c', script], options);
}

function doualaTime(moment: Date): string {
  const anHourLater = new Date(moment.getTime() + 3_600_000).toISOString();
  return anHourLater.replace('T', ' ').replace('Z', '+01');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
