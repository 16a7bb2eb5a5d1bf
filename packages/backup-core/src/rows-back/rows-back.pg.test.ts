import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { rowsBack } from './rows-back.ts';

const SCHEMA = `
  create table users (id int primary key, email text not null unique, mentor int references users on delete set null, photo bytea,
    shown text generated always as (lower(email)) stored, roles text[] not null default '{}', made timestamptz not null default now());
  create table session (id int generated always as identity primary key, user_id int not null references users on delete cascade);
  create table login (session_id int not null references session on delete cascade, n int, primary key (session_id, n));
  create table payment (id int primary key, amount numeric(12, 2) not null, clerk int references users on delete set null);
  create table town (id int primary key, name text);
  create table pupil (id int primary key, town int not null references town);`;
const ROWS = `
  insert into users select n, 'u' || n || '@x', nullif(n / 2, 0), '\\xdeadbeef', default, array['a "b"', null, n::text] from generate_series(1, 1200) n;
  insert into session (user_id) select id from users;
  insert into login select id, k from session, generate_series(1, 2) k;
  insert into payment select n, n * 1.10, n from generate_series(1, 1200) n;
  insert into town values (1, 'Douala'), (2, 'Kribi');
  insert into pupil select n, 1 + n % 2 from generate_series(1, 20) n;`;

let past: TestDatabase;
let live: TestDatabase;
let client: pg.Client;
const cleanup: (() => Promise<void>)[] = [];

async function filled(name: string): Promise<TestDatabase> {
  const database = await createDatabase(name);
  const one = new pg.Client(database.url);
  await one.connect();
  await one.query(SCHEMA);
  await one.query(
    ROWS.replace(', default, array', ', array').replace(
      'insert into users select',
      'insert into users (id, email, mentor, photo, roles) select',
    ),
  );
  await one.query(`update users set made = '2026-11-01T08:00:00.123456Z'`);
  await one.end();
  return database;
}

beforeAll(async () => {
  past = await filled('rows_back_past');
});
afterAll(async () => {
  await past?.drop();
  for (const clean of cleanup) await clean();
});
beforeEach(async () => {
  live = await filled('rows_back_live');
  client = new pg.Client(live.url);
  await client.connect();
  const [database, connection] = [live, client];
  cleanup.push(async () => {
    await connection.end();
    await database.drop();
  });
});

const run = (tables: string[], apply: boolean, where?: string) =>
  rowsBack({
    live: { connectionString: live.url },
    past: { connectionString: past.url },
    tables,
    apply,
    where,
  });
const everything = async () => {
  const parts: unknown[] = [];
  for (const table of ['users', 'session', 'login', 'payment']) {
    const { rows } = await client.query(`select * from ${table} order by 1, 2`);
    parts.push(rows);
  }
  return parts;
};
const count = async (sql: string) =>
  Number((await client.query(`select count(*) from ${sql}`)).rows[0].count);

test('all users deleted: they come back byte for byte, with what hung on them, and what came after stays', async () => {
  const before = await everything();
  await client.query('delete from users');
  expect(await count('session')).toBe(0);
  await client.query('insert into payment values (5000, 12.5, null)');
  await client.query('update payment set amount = 1 where id = 7');
  const report = await run(['users'], true);
  expect(report.tables.map(({ table, gone, back, relinked }) => [table, gone, back, relinked])).toEqual([
    ['public.users', 1200, 1200, 1200],
    ['public.session', 1200, 1200, 0],
    ['public.login', 2400, 2400, 0],
  ]);
  await client.query('delete from payment where id = 5000');
  await client.query('update payment set amount = 7.70 where id = 7');
  expect(await everything()).toEqual(before);
});

test('a dry run says the same and changes nothing', async () => {
  await client.query('delete from users where id > 600');
  const after = await everything();
  const report = await run(['public.users'], false);
  expect(report.applied).toBe(false);
  expect(report.tables[0]).toMatchObject({ gone: 600, back: 600, because: 'asked' });
  expect(await everything()).toEqual(after);
});

test('rows changed, made again or added since are left as they are', async () => {
  await client.query('delete from users where id <= 10');
  await client.query("insert into users (id, email) values (3, 'u3@x'), (4, 'again@x'), (9000, 'new@x')");
  await client.query("update users set email = 'changed@x' where id = 500");
  const report = await run(['users'], true);
  expect(report.tables[0]).toMatchObject({
    gone: 8,
    back: 8,
    changedSince: 14,
    newSince: 1,
    relinked: 13 + 8,
  });
  expect((await client.query('select email from users where id in (4, 500) order by id')).rows).toEqual([
    { email: 'again@x' },
    { email: 'changed@x' },
  ]);
});

test('a row that clashes with one of today stays out, is named, and so does what hangs on it', async () => {
  await client.query('delete from users where id between 1100 and 1101');
  await client.query("insert into users (id, email) values (9000, 'u1100@x')");
  const report = await run(['users'], true);
  expect(report.tables[0]).toMatchObject({
    gone: 2,
    back: 1,
    heldBack: { count: 1, keys: ['1100: a row of today is in its place'] },
  });
  expect(report.tables[1]).toMatchObject({ table: 'public.session', gone: 2, back: 1 });
  expect(report.tables[1]?.heldBack.keys[0]).toContain('its public.users is not there');
  expect(await count('users where id = 1101')).toBe(1);
});

test('parents that are gone too come back with their children', async () => {
  await client.query('delete from pupil where town = 2');
  await client.query('delete from town where id = 2');
  const report = await run(['pupil'], true);
  expect(report.tables.map(({ table, back, because }) => [table, back, because])).toEqual([
    ['public.town', 1, 'public.pupil refers to it'],
    ['public.pupil', 10, 'asked'],
  ]);
});

test('only the rows that a condition names come back', async () => {
  await client.query('delete from users where id > 600');
  const report = await run(['users'], true, 'id between 1101 and 1110');
  expect(report.tables[0]?.back).toBe(10);
  expect(await count('users')).toBe(610);
  expect(report.tables[0]?.heldBack.count).toBe(0);
});

test('truncated is gone too', async () => {
  await client.query('truncate users cascade');
  await run(['users', 'payment'], true);
  expect(await count('users')).toBe(1200);
  expect(await count('payment where clerk is not null')).toBe(1200);
});

test('a trigger that changes what comes in makes it fail, and nothing is changed', async () => {
  await client.query(`create function meddle() returns trigger language plpgsql as
    $$ begin new.made := '2000-01-01'; return new; end $$;
    create trigger meddle before insert on users for each row execute function meddle()`);
  await client.query('delete from users where id > 1190');
  await expect(run(['users'], true)).rejects.toMatchObject({ code: 'ROWS_BACK_ALTERED' });
  expect(await count('users')).toBe(1190);
});

test('a table that is not there, one without a key, and a column that is gone are refused by name', async () => {
  await client.query('create table loose (a int)');
  await client.query('alter table users drop column photo');
  await expect(run(['nowhere'], true)).rejects.toMatchObject({ code: 'ROWS_BACK_TABLE_UNKNOWN' });
  await expect(run(['loose'], true)).rejects.toMatchObject({ code: 'ROWS_BACK_TABLE_UNKNOWN' });
  await expect(run(['users'], true)).rejects.toMatchObject({
    code: 'ROWS_BACK_COLUMN_GONE',
    message: expect.stringContaining('photo'),
  });
});
