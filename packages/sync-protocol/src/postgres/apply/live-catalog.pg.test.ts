import { Client, Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../../test/support/postgres.ts';
import { parseSyncMap } from '../../sync-map/sync-map.ts';
import { prepareSite } from '../prepare/prepare.ts';
import { sessionConfig } from '../session.ts';
import { WatchedCatalog } from './live-catalog.ts';

const syncMapFile = {
  version: 1,
  database: 'test',
  tables: { 'public.pupil': { scope: null, policy: 'newest', columns: { phone: 'inbox' } } },
};
const syncMap = parseSyncMap(syncMapFile);

let database: TestDatabase;
let admin: Client;
let pool: Pool;

beforeEach(async () => {
  database = await createDatabase('catalog');
  admin = new Client({ connectionString: database.url });
  await admin.connect();
  await admin.query('CREATE TABLE pupil (id int PRIMARY KEY, name text, phone text)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  pool = new Pool(sessionConfig(database.url, { applicationName: 'catalog test' }));
});

afterEach(async () => {
  await pool.end();
  await admin.end();
  await database.drop();
});

describe('the live catalogue', () => {
  test('a column that was added is there after a refresh, and the catalogue taken before stays as it was', async () => {
    const catalog = await WatchedCatalog.open({ pool, syncMap });
    const before = catalog.current;
    const told: string[][] = [];
    catalog.onChange(({ tables }) => told.push([...(tables.get('public.pupil')?.columnNames ?? [])]));
    await admin.query('ALTER TABLE pupil ADD COLUMN house text');
    expect(await catalog.refresh()).toBe(true);
    expect(catalog.current.tables.get('public.pupil')?.columnNames).toContain('house');
    expect(before.tables.get('public.pupil')?.columnNames).toEqual(['id', 'name', 'phone']);
    expect(told).toEqual([['id', 'name', 'phone', 'house']]);
  });

  test('nothing is read anew and nobody is told while the schema stays as it is', async () => {
    const catalog = await WatchedCatalog.open({ pool, syncMap });
    const before = catalog.current;
    catalog.onChange(() => expect.unreachable());
    await admin.query("INSERT INTO pupil VALUES (1, 'a', 'b')");
    expect(await catalog.refresh()).toBe(false);
    expect(catalog.current).toBe(before);
  });

  test('a schema that no longer fits leaves the old catalogue in use and says so, until it fits again', async () => {
    const catalog = await WatchedCatalog.open({ pool, syncMap });
    const before = catalog.current;
    await admin.query('ALTER TABLE pupil RENAME COLUMN phone TO telephone');
    expect(await catalog.refresh()).toBe(false);
    expect(catalog.current).toBe(before);
    expect(catalog.problem).toMatchObject({ code: 'SCHEMA_MISMATCH' });
    await admin.query('ALTER TABLE pupil RENAME COLUMN telephone TO phone');
    await catalog.refresh();
    expect(catalog.problem).toBeNull();
  });

  test('the map of the newest migration replaces the one the daemon was started with', async () => {
    const catalog = await WatchedCatalog.open({ pool, syncMap });
    await admin.query('CREATE TABLE house (id int PRIMARY KEY)');
    const tables = { ...syncMapFile.tables, 'public.house': { scope: null, policy: 'cloud' } };
    await admin.query(
      `INSERT INTO sync.migration (number, name, sql, sync_map, signature) VALUES (1, '001-house.sql', '', $1, '')`,
      [JSON.stringify({ ...syncMapFile, tables })],
    );
    expect(await catalog.refresh()).toBe(true);
    expect(catalog.current.tables.get('public.house')?.keyColumns).toEqual(['id']);
    expect(catalog.current.syncMap.tables.has('public.house')).toBe(true);
  });

  test('while it runs it finds a change by itself', async () => {
    const catalog = await WatchedCatalog.open({ pool, syncMap, intervalMs: 10 });
    const stop = new AbortController();
    const running = catalog.run(stop.signal);
    const changed = new Promise<void>((resolve) => catalog.onChange(() => resolve()));
    await admin.query('ALTER TABLE pupil ADD COLUMN house text');
    await changed;
    stop.abort();
    await running;
    expect(catalog.current.tables.get('public.pupil')?.columnNames).toContain('house');
  });

  test('a database that does not fit the map from the start is refused', async () => {
    await admin.query('ALTER TABLE pupil DROP COLUMN phone');
    await expect(WatchedCatalog.open({ pool, syncMap })).rejects.toMatchObject({ code: 'SCHEMA_MISMATCH' });
  });
});
