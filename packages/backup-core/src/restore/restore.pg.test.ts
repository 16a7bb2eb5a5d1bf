import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  type ArchivedPostgres,
  archiveInto,
  startArchivedPostgres,
} from '../../../../test/support/archived-postgres.ts';
import type { Fault } from './objects.ts';
import { ask, type Server } from './postgres/server.ts';
import { type RestoreOptions, restore } from './restore.ts';
import { readTime, type Target } from './target.ts';

let live: ArchivedPostgres;
let first: { wall: string; lsn: string };
let quiet: string;
const running: Server[] = [];
let serial = 0;

const wall = async () =>
  (
    await live.query(
      `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
    )
  ).rows[0].at as string;

beforeAll(async () => {
  live = await startArchivedPostgres();
  await live.query(
    'create table canary (id int primary key, at timestamptz not null default clock_timestamp())',
  );
  await live.takeBase();
  await live.query('insert into canary select generate_series(1, 10)');
  first = {
    wall: await wall(),
    lsn: (await live.query('select pg_current_wal_lsn()::text as lsn')).rows[0].lsn,
  };
  await live.query('insert into canary select generate_series(11, 20)');
  await live.archive();
  await live.query('insert into canary select generate_series(21, 30)');
  quiet = await wall();
  await live.archive();
}, 120_000);
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
});
afterAll(() => live?.stop());

async function run(target: Target, other: Partial<RestoreOptions> = {}) {
  const to = join(live.dir, `restored-${++serial}`);
  const restored = await restore({
    objects: live.objects,
    reader: live.reader,
    target,
    to,
    settings: { fsync: 'off' },
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
    ...other,
  });
  running.push(restored.server);
  const [row] = await ask<{ rows: number }>(
    restored.server.connection('postgres'),
    'select count(*)::int as rows from canary',
  );
  return { ...restored, rows: row?.rows, to };
}

test('the moment asked for is the moment reached, and the server answers', async () => {
  const { rows, reached } = await run(readTime(first.wall));
  expect(rows).toBe(10);
  expect(reached.stop).toMatch(/^before commit of transaction/);
  expect(Date.parse(reached.lastCommitAt as string)).toBeLessThanOrEqual(Date.parse(first.wall));
  expect(reached.timeline).toBe(2);
});

test('a moment that no commit follows is reached too', async () => {
  const { rows, reached } = await run(readTime(quiet));
  expect(rows).toBe(30);
  expect(reached.stop).toBe('at the end of the WAL of the plan');
});

test('a position, and the latest', async () => {
  expect((await run({ kind: 'lsn', lsn: first.lsn })).rows).toBe(10);
  expect((await run({ kind: 'latest' })).rows).toBe(30);
});

test('a folder that is not empty is refused and left alone', async () => {
  const to = join(live.dir, 'taken');
  mkdirSync(to);
  writeFileSync(join(to, 'letter.txt'), 'dear');
  await expect(run({ kind: 'latest' }, { to })).rejects.toMatchObject({ code: 'RESTORE_FOLDER_NOT_EMPTY' });
  expect(readFileSync(join(to, 'letter.txt'), 'utf8')).toBe('dear');
});

test('a moment after the last WAL is refused before anything is fetched', async () => {
  const to = join(live.dir, 'never');
  const later = readTime(new Date(Date.now() + 3_600_000).toISOString());
  await expect(run(later, { to })).rejects.toMatchObject({ code: 'RESTORE_NOT_REACHED' });
  expect(existsSync(to)).toBe(false);
});

const harm = (name: string, change: (bytes: Buffer) => Buffer, regions = Object.values(live.regions)) => {
  const files = regions.map((folder) => join(folder, name));
  const original = readFileSync(files[0] as string);
  for (const file of files) {
    renameSync(file, `${file}.original`);
    writeFileSync(file, change(Buffer.from(original)));
  }
  return () => {
    for (const file of files) renameSync(`${file}.original`, file);
  };
};
const flip = (bytes: Buffer) => {
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  return bytes;
};
const named = (kind: string) => live.objects.findLast((object) => object.kind === kind)?.name as string;

test.each([
  ['base', 'flipped', flip],
  ['base', 'truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length - 7)],
  ['wal', 'flipped', flip],
  ['wal', 'truncated', (bytes: Buffer) => bytes.subarray(0, bytes.length - 7)],
])('a %s that is %s in both regions is refused by its name, and nothing is left', async (kind, _, change) => {
  const name = named(kind);
  const mend = harm(name, change);
  const to = join(live.dir, `harmed-${++serial}`);
  try {
    const refused = run({ kind: 'latest' }, { to });
    await expect(refused).rejects.toMatchObject({
      code: 'RESTORE_OBJECT_DAMAGED',
      message: expect.stringContaining(name),
    });
    expect([existsSync(to), existsSync(`${to}.restore`)]).toEqual([false, false]);
  } finally {
    mend();
  }
});

test('two segments that changed places are refused by name', async () => {
  const [one, other] = live.objects
    .filter(({ kind }) => kind === 'wal')
    .slice(-2)
    .map(({ name }) => name) as [string, string];
  const bytes = readFileSync(join(live.regions.paris, other));
  const mend = [
    harm(one, () => bytes),
    harm(other, () => readFileSync(join(live.regions.paris, `${one}.original`))),
  ];
  try {
    await expect(run({ kind: 'latest' })).rejects.toMatchObject({
      code: 'RESTORE_OBJECT_DAMAGED',
      message: expect.stringMatching(
        new RegExp(`(${one}: under this name lies ${other}|${other}: under.* ${one})`),
      ),
    });
  } finally {
    for (const undo of mend) undo();
  }
});

test('what one region has damaged or lacks comes from the other, and is reported', async () => {
  const faults: Fault[] = [];
  const mend = harm(named('base'), flip, [live.regions.paris]);
  const missing = harm(named('wal'), (bytes) => bytes, [live.regions.paris]);
  rmSync(join(live.regions.paris, named('wal')));
  try {
    const reader = { ...live.reader, onFault: (fault: Fault) => void faults.push(fault) };
    expect((await run({ kind: 'latest' }, { reader })).rows).toBe(30);
  } finally {
    mend();
    missing();
  }
  expect(faults.map(({ region, object, damaged }) => [region, object, damaged])).toEqual(
    expect.arrayContaining([
      ['paris', named('base'), true],
      ['paris', named('wal'), false],
    ]),
  );
});

test('a server that was restored and went on is restored again, over both timelines, from the base before them', async () => {
  const going = await run(readTime(first.wall), {
    settings: { fsync: 'off', archive_mode: 'on', archive_command: archiveInto(live.archived) },
  });
  const connection = going.server.connection('postgres');
  await ask(connection, 'insert into canary select generate_series(101, 105)');
  const [segment] = await ask<{ name: string }>(
    connection,
    'select pg_walfile_name(pg_switch_wal()) as name',
  );
  await expect
    .poll(() => existsSync(join(live.archived, segment?.name as string)), { timeout: 20_000 })
    .toBe(true);
  await live.sealArchived();
  const again = await run({ kind: 'latest' });
  expect(again).toMatchObject({ rows: 15, plan: { timeline: 2 }, reached: { timeline: 3 } });
  expect((await run({ kind: 'latest' }, { timeline: 1 })).rows).toBe(30);
  expect((await run(readTime(quiet), { timeline: 1 })).reached.timeline).toBe(3);
});
