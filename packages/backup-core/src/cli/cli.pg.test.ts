import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PublishedArchive, publishArchive } from '../../../../test/support/published-archive.ts';
import { openRegion } from '../region/s3-region.ts';
import { buildCli } from './cli.ts';
import { exitCodeOf } from './exit-codes.ts';
import type { Language } from './terminal.ts';

let site: PublishedArchive;
let beforeDeletion: string;

beforeAll(async () => {
  site = await publishArchive({ totals: { fees: 'select sum(amount) from public.fee' } });
  const { live } = site;
  await live.query('create table users (id int primary key, email text unique)');
  await live.query(
    'create table fee (id int primary key, amount int, clerk int references users on delete cascade)',
  );
  await live.query("insert into users select n, 'u' || n from generate_series(1, 50) n");
  await live.query('insert into fee select n, n, n from generate_series(1, 50) n');
  await live.takeBase();
  await live.takeDump();
  await live.archive();
  const { rows } = await live.query(
    `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') as at`,
  );
  beforeDeletion = `${rows[0].at} UTC`;
  await live.query('delete from users where id > 10');
  await live.query("insert into users values (100, 'after')");
  await live.archive();
  await site.publish();
}, 120_000);
afterAll(() => site?.stop());

async function run(args: string[], language: Language = 'en') {
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
      language,
      askHidden: async () => null,
    },
    signal: new AbortController().signal,
    now: () => new Date(),
    log: pino({ level: 'silent' }),
    setExitCode: (code) => {
      told.code = code;
    },
  });
  try {
    await program.parseAsync([...args, '--config', site.configFile], { from: 'user' });
  } catch (error) {
    told.code = exitCodeOf(error);
    told.errors += (error as Error).message;
  }
  return told;
}
/** The server that `restore --json` left running. */
function endServer(out: string): void {
  const { pid, socketFolder } = JSON.parse(out);
  process.kill(pid, 'SIGINT');
  rmSync(socketFolder, { recursive: true, force: true });
}
const withKey = (...args: string[]) => [...args, '--key', site.keyFile];

test('list shows bases, dumps and how far the WAL goes', async () => {
  const { out, code } = await run(['list']);
  expect(code).toBe(0);
  expect(out).toMatch(/^base {6}.* UTC = .* Africa\/Douala .*mvan\/base\//m);
  expect(out).toMatch(/^wal {3}\d objects, to /m);
  const lines = (await run(['list', '--json'])).out.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).kind)).toContain('wal');
});

test('verify reads everything, and names what is damaged in which region', async () => {
  expect((await run(withKey('verify', '--deep', '--open'))).out).toContain('everything is whole');
  const { name } = site.live.objects.find(({ kind }) => kind === 'dump') as { name: string };
  const { store } = site.servers[0];
  const file = store.pathOf(
    store.buckets.get('skooly-backup')?.objects.get(name)?.[0]?.segments[0]?.file as string,
  );
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.concat([bytes.subarray(0, -1), Buffer.from([(bytes.at(-1) as number) ^ 1])]));
  const { out, code } = await run(['verify', '--deep']);
  writeFileSync(file, bytes);
  expect([code, out]).toEqual([5, expect.stringContaining(`paris: ${name}: its SHA-256 differs`)]);
  expect(out).not.toContain('douala:');
});

test('status says what is good, per region, in both languages and as JSON', async () => {
  const json = await run(['status', '--json']);
  const status = JSON.parse(json.out);
  expect(status).toMatchObject({
    site: 'mvan',
    dump: { name: expect.stringContaining('mvan/dump/') },
    base: { name: expect.stringContaining('mvan/base/') },
    regions: [
      { name: 'paris', state: 'ok', missing: 0 },
      { name: 'douala', state: 'ok', missing: 0 },
    ],
    alarms: [],
  });
  expect(status.rpoMs).toBeLessThan(300_000);
  expect((await run(['status'], 'fr')).out).toContain('Tout est en ordre.');
});

test('restore --at gives a running Postgres at that moment; drill proves it; a wrong moment has its own exit code', async () => {
  const to = join(site.scratch, 'at');
  const { out, errors, code } = await run(
    withKey('restore', '--to', to, '--at', beforeDeletion, '--region', 'douala', '--json'),
  );
  expect([code, errors.includes('Africa/Douala')]).toEqual([0, true]);
  const { port, socketFolder } = JSON.parse(out);
  const client = new pg.Client({ host: socketFolder, port, user: 'postgres', database: 'postgres' });
  await client.connect();
  expect((await client.query('select count(*)::int as n from users')).rows).toEqual([{ n: 50 }]);
  await client.end();
  endServer(out);
  expect((await run(withKey('restore', '--to', to, '--at', beforeDeletion))).code).toBe(13);
  expect((await run(withKey('restore', '--to', `${to}2`, '--at', '2020-01-01 00:00 UTC'))).code).toBe(10);
  expect((await run(withKey('restore', '--to', `${to}2`, '--at', '2020-01-01 00:00'))).code).toBe(2);
  expect((await run(withKey('restore', '--to', `${to}2`, '--latest', '--region', 'lyon'))).code).toBe(2);
  expect((await run(['restore', '--latest'])).code).toBe(2);
});

test('restore --dump brings the nightly dump back', async () => {
  const { out, code } = await run(
    withKey('restore', '--to', join(site.scratch, 'dump'), '--dump', 'latest', '--json'),
  );
  const { comparison } = JSON.parse(out);
  endServer(out);
  expect([code, comparison.differences, comparison.totals]).toEqual([0, [], { fees: '1275' }]);
});

test('a drill signs a proof, and status tells of it', async () => {
  const { out, code } = await run(withKey('drill', '--database', 'postgres', '--json'));
  expect([code, JSON.parse(out)]).toMatchObject([0, { passed: true, compared: { rows: 100 } }]);
  const status = JSON.parse((await run(['status', '--json'])).out);
  expect(status.lastProof).toMatchObject({ passed: true, kind: 'base' });
  expect((await run(withKey('drill', '--if-due'))).out).toContain('base: the next drill is due at');
  const proofs = join(site.live.dir, 'state', 'proofs');
  expect(readdirSync(proofs)).toHaveLength(1);
  rmSync(proofs, { recursive: true });
  expect(JSON.parse((await run(['status', '--json'])).out).lastProof).toEqual(status.lastProof);
});

/** The commands of a section of RESTORE.md, with this test's moment and files for the document's. */
function commandsOf(section: string): string[][] {
  const text = readFileSync(new URL('../../RESTORE.md', import.meta.url), 'utf8');
  const part = text.split(/^## /m).find((one) => one.startsWith(section)) as string;
  const blocks = [...part.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block as string);
  const lines = blocks
    .flatMap((block) => block.trim().split('\n'))
    .filter((line) => line.startsWith('skooly-backup '));
  const ours: Record<string, string> = {
    '2026-11-23 10:31:59 Africa/Douala': beforeDeletion,
    '/var/tmp': site.scratch,
    '/srv/restored': join(site.scratch, 'documented'),
    '/media/usb/admin.asc': site.keyFile,
  };
  return lines.map((line) =>
    [...line.matchAll(/"([^"]*)"|(\S+)/g)].slice(1).map(([, quoted, bare]) => {
      const word = (quoted ?? bare) as string;
      return ours[word] ?? word;
    }),
  );
}

test('rows-back by the words of RESTORE.md: a dry run, then the rows are there again, and what came after is too', async () => {
  const [look, apply] = commandsOf('Deleted rows') as [string[], string[]];
  expect((await run(look)).out).toContain('Dry run');
  expect((await site.live.query('select count(*)::int as n from users')).rows[0].n).toBe(11);
  expect((await run(apply)).out).toContain('public.fee  (it refers to public.users)  40 gone, 40 come back');
  expect((await site.live.query('select count(*)::int as n from users')).rows[0].n).toBe(51);
  expect((await site.live.query('select count(*)::int as n from fee')).rows[0].n).toBe(50);
});

test('restore by the words of RESTORE.md', async () => {
  const [list, restore] = commandsOf('A database at a moment') as [string[], string[]];
  expect((await run(list)).code).toBe(0);
  const { out, code } = await run([...restore, '--json']);
  expect(code).toBe(0);
  endServer(out);
});

test('retention prints its calendar and removes nothing', async () => {
  const { out } = await run(['retention', '--dry-run']);
  expect(out).toMatch(/keep .*1 base .*1 dump|keep .*dump/);
  expect(out).toContain('0 may go');
});

test('a manifest that was set back in one region is noticed, and refused when it is older than what was seen', async () => {
  const seen = join(site.live.dir, 'state', 'head-seen.json');
  const head = JSON.parse(readFileSync(seen, 'utf8'));
  writeFileSync(seen, JSON.stringify({ ...head, number: head.number + 1 }));
  const { code, errors } = await run(['list']);
  writeFileSync(seen, JSON.stringify(head));
  expect([code, errors]).toEqual([4, expect.stringContaining('has been seen')]);
});
