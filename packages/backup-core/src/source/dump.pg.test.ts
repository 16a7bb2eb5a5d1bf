import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { takeDump } from './dump.ts';
import { postgresProgram } from './postgres-programs.ts';
import { programAccess, serverFacts, withClient } from './server.ts';
import { tableFigures } from './table-figures.ts';

const dir = mkdtempSync(join(tmpdir(), 'skooly-dump-'));
let live: TestDatabase;
let empty: TestDatabase;
const signal = new AbortController().signal;
const stallMs = 60_000;

beforeAll(async () => {
  live = await createDatabase('dump_live');
  empty = await createDatabase('dump_restored');
  await run(
    live.url,
    `create type mood as enum ('calm', 'stormy');
     create table pupil (id int primary key, name text, mood mood, mark numeric(7,2), at timestamptz, extra jsonb, "Odd Name" text[]);
     insert into pupil select i, 'élève ' || i, (array['calm','stormy'])[1 + i % 2]::mood, i * 0.25, now(), '{"a": 1}', array['x', null]
       from generate_series(1, 5000) i;
     create table nothing ();
     create schema "other schema"; create table "other schema".fee (amount int); insert into "other schema".fee values (7500), (10000)`,
  );
});
afterAll(async () => {
  await live.drop();
  await empty.drop();
  rmSync(dir, { recursive: true });
});

async function run(url: string, sql: string): Promise<void> {
  await withClient(url, (client) => client.query(sql));
}

async function figures(url: string) {
  return await withClient(url, async (client) => {
    await client.query('begin');
    return await tableFigures(client, { unlogged: true });
  });
}

test('a dump restores to a database of the same figures, though rows were written while it ran', async () => {
  const before = await figures(live.url);
  const totals = { fees: 'select sum(amount) from "other schema".fee' };
  const taken = await takeDump({ url: live.url, totals, stallMs, signal });
  await run(live.url, `insert into pupil (id) values (9001); update pupil set name = 'other' where id < 10`);
  const file = join(dir, 'one.dump');
  await pipeline(taken.stream, createWriteStream(file));
  const about = await taken.about();
  expect(about).toMatchObject({ tables: before.tables, totals: { fees: '17500' } });
  expect(about.tables.map(({ table, rows }) => [table, rows])).toEqual([
    ['"other schema".fee', 2],
    ['public.nothing', 0],
    ['public.pupil', 5000],
  ]);
  const { dbname, env } = programAccess(empty.url);
  const restore = postgresProgram('pg_restore', about.serverVersion);
  const restored = spawnSync(restore, ['--exit-on-error', '-d', dbname, file], {
    env: { ...process.env, ...env },
  });
  expect(restored.stderr.toString()).toBe('');
  expect(await figures(empty.url)).toEqual({ tables: before.tables });
  expect(await figures(live.url)).not.toEqual({ tables: before.tables });
});

test('a dump that pg_dump could not end well fails, and is never half a dump', async () => {
  const stop = new AbortController();
  const taken = await takeDump({ url: live.url, stallMs, signal: stop.signal });
  stop.abort(new Error('told to stop'));
  await expect(pipeline(taken.stream, createWriteStream(join(dir, 'two.dump')))).rejects.toThrow();
  await expect(taken.about()).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
});

test('a failing pg_dump is told with its own words', async () => {
  await run(live.url, "create role nobody_may login password 'x'");
  const url = new URL(live.url);
  url.username = 'nobody_may';
  url.password = 'x';
  const taken = takeDump({ url: url.href, stallMs, signal });
  await expect(
    taken.then(({ stream }) => pipeline(stream, createWriteStream(join(dir, 'three.dump')))),
  ).rejects.toThrow(/permission denied/);
  await run(live.url, 'drop role nobody_may');
});

test('a machine without the programs of the major version is refused, naming what it has', async () => {
  const { version } = await withClient(live.url, serverFacts);
  expect(() => postgresProgram('pg_dump', '99.1')).toThrow(/PostgreSQL 99.*only of/);
  expect(postgresProgram('pg_dump', version)).toMatch(/\/bin\/pg_dump$/);
  await expect(takeDump({ url: live.url, stallMs, signal, programsRoot: dir })).rejects.toMatchObject({
    code: 'SOURCE_NO_BINARY',
  });
});
