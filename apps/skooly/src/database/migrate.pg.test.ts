import pg from 'pg';
import { expect, test } from 'vitest';
import { createDatabase } from '../../../../test/support/postgres.ts';
import { migrate, readMigrations } from './migrate.ts';

test('migrating twice, or twice at once, runs each migration once and makes no rows', async () => {
  const { url, drop } = await createDatabase('migrate');
  try {
    const names = readMigrations().map(({ name }) => name);
    const ran = await Promise.all([migrate(url), migrate(url)]);
    expect(ran.flat().sort()).toEqual(names);
    expect(await migrate(url)).toEqual([]);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query('select count(*)::int from campus');
    await client.end();
    expect(rows[0].count).toBe(0);
  } finally {
    await drop();
  }
});

test('a migration that fails leaves nothing of itself, and one that changed is refused', async () => {
  const { url, drop } = await createDatabase('migrate');
  try {
    const first = { name: '001-a.sql', sql: 'create table a (id int primary key)' };
    const broken = { name: '002-b.sql', sql: 'create table b (id int primary key); select nonsense' };
    await expect(migrate(url, [first, broken])).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    const mended = { ...broken, sql: 'create table b (id int primary key)' };
    expect(await migrate(url, [first, mended])).toEqual(['002-b.sql']);
    const changed = { ...first, sql: 'create table a (id bigint primary key)' };
    await expect(migrate(url, [changed])).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
  } finally {
    await drop();
  }
});
