import { createHash, randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { prepareSite } from '../postgres/prepare/prepare.ts';
import { parseSyncMap } from '../sync-map/sync-map.ts';
import { applyMigration } from './apply-migration.ts';

const entry = { scope: null, policy: 'newest' };
const mapFile = { version: 1, database: 'test', tables: { 'public.pupil': entry } };
const syncMap = parseSyncMap(mapFile);
const newMap = JSON.stringify({ ...mapFile, tables: { ...mapFile.tables, 'public.house': entry } });

let database: TestDatabase;
let admin: Client;
let ownerUrl: string;
let owner: string;

beforeEach(async () => {
  database = await createDatabase('migration');
  admin = new Client({ connectionString: database.url });
  await admin.connect();
  owner = `owner_${randomBytes(4).toString('hex')}`;
  await admin.query(`CREATE ROLE ${owner} LOGIN PASSWORD 'o'; GRANT CREATE ON SCHEMA public TO ${owner}`);
  await admin.query(`SET ROLE ${owner}; CREATE TABLE pupil (id int PRIMARY KEY, name text); RESET ROLE`);
  const url = new URL(database.url);
  url.username = owner;
  url.password = 'o';
  ownerUrl = url.href;
});

afterEach(async () => {
  await admin.query(`DROP OWNED BY ${owner} CASCADE; DROP ROLE ${owner}`);
  await admin.end();
  await database.drop();
});

const prepare = () => prepareSite({ adminUrl: database.url, site: 'mvan', syncMap, password: 'chain-test' });
const migration = (number: number, sql: string, map: string | null = null) => ({
  number,
  name: `00${number}-step.sql`,
  sql,
  syncMap: map,
  signature: 'signed',
});
const apply = (number: number, sql: string, map: string | null = null) =>
  applyMigration(ownerUrl, migration(number, sql, map), syncMap);

async function recorded(): Promise<string[]> {
  const { rows } = await admin.query('SELECT name FROM sync.migration ORDER BY number');
  return rows.map(({ name }) => name);
}

async function columns(): Promise<string[]> {
  const { rows } = await admin.query(
    `SELECT attname FROM pg_attribute WHERE attrelid = 'pupil'::regclass AND attnum > 0 ORDER BY attnum`,
  );
  return rows.map(({ attname }) => attname);
}

describe('a migration', () => {
  test('is run by the owner of the tables, who needs no more than to own them, and recorded', async () => {
    await prepare();
    expect(await apply(1, 'ALTER TABLE pupil ADD COLUMN house text')).toBe('applied');
    expect(await columns()).toEqual(['id', 'name', 'house']);
    expect(await recorded()).toEqual(['as prepared', '001-step.sql']);
  });

  test('that makes a synced table brings its sync map, and the table is published, readable and whole at once', async () => {
    await prepare();
    await apply(1, 'CREATE TABLE house (id int PRIMARY KEY, name text)', newMap);
    const { rows } = await admin.query(`
      SELECT relreplident, has_table_privilege('skooly_sync', oid, 'INSERT') AS granted,
             EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = c.oid) AS published
      FROM pg_class c WHERE oid = 'house'::regclass`);
    expect(rows).toEqual([{ relreplident: 'f', granted: true, published: true }]);
  });

  test('keeps its tables published when the site is prepared again with the old map', async () => {
    await prepare();
    await apply(1, 'CREATE TABLE house (id int PRIMARY KEY, name text)', newMap);
    await prepare();
    const { rows } = await admin.query('SELECT tablename FROM pg_publication_tables ORDER BY tablename');
    expect(rows.map(({ tablename }) => tablename)).toContain('house');
  });

  test('that fails half-way leaves nothing of itself', async () => {
    await prepare();
    const sql = 'ALTER TABLE pupil ADD COLUMN house text; SELECT nonsense';
    await expect(apply(1, sql)).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    expect(await columns()).toEqual(['id', 'name']);
    expect(await recorded()).toEqual(['as prepared']);
  });

  test('after which the schema would not fit the sync map is undone', async () => {
    await prepare();
    await expect(apply(1, 'DROP TABLE pupil')).rejects.toMatchObject({ code: 'MIGRATION_FAILED' });
    expect(await columns()).toEqual(['id', 'name']);
  });

  test.each([
    'ALTER TABLE pupil ADD COLUMN a int; COMMIT; SELECT nonsense',
    'ROLLBACK;\nSELECT 1',
    'ALTER TABLE pupil ADD COLUMN a int; /* done; */ END; SELECT nonsense',
  ])('that ends its own transaction is refused before it runs: %s', async (sql) => {
    await prepare();
    await expect(apply(1, sql)).rejects.toMatchObject({ code: 'MIGRATION_NOT_ATOMIC' });
    expect(await columns()).toEqual(['id', 'name']);
  });

  test('may begin and end blocks of its own inside functions', async () => {
    await prepare();
    await admin.query(`CREATE TABLE other (name text); ALTER TABLE other OWNER TO ${owner}`);
    await apply(
      1,
      `DO $body$ BEGIN\n  ALTER TABLE pupil ADD COLUMN house text;\nEND; $body$;
      UPDATE other SET name = CASE WHEN name = '; COMMIT;' THEN 'a' -- ; COMMIT;
      END`,
    );
    expect(await columns()).toContain('house');
  });

  test('that does not follow the last one is refused, and so is one that was applied', async () => {
    await prepare();
    await expect(apply(2, 'SELECT 1')).rejects.toMatchObject({ code: 'MIGRATION_GAP' });
    await apply(1, 'SELECT 1');
    await expect(apply(1, 'SELECT 1')).rejects.toMatchObject({ code: 'MIGRATION_GAP' });
  });

  test('gives way to users who hold the table, and can be tried again', async () => {
    await prepare();
    await admin.query('BEGIN; LOCK TABLE pupil IN ROW EXCLUSIVE MODE');
    const attempt = apply(1, 'ALTER TABLE pupil ADD COLUMN house text');
    await expect(attempt).rejects.toMatchObject({ code: 'MIGRATION_WAITS' });
    await admin.query('COMMIT');
    await apply(1, 'ALTER TABLE pupil ADD COLUMN house text');
  });

  test('by a role that does not own the tables is refused with what to do', async () => {
    await prepare();
    const url = new URL(database.url);
    url.username = 'skooly_sync';
    url.password = 'chain-test';
    const attempt = applyMigration(url.href, migration(1, 'ALTER TABLE pupil ADD COLUMN a int'), syncMap);
    await expect(attempt).rejects.toMatchObject({ code: 'MIGRATION_FORBIDDEN' });
  });
});

describe('a migration makes structure only, since each site runs it over other rows at another time', () => {
  beforeEach(async () => {
    await prepare();
    await admin.query(`INSERT INTO pupil VALUES (1, 'Ngo')`);
  });

  test.each([
    `UPDATE pupil SET name = 'a'`,
    `INSERT INTO pupil VALUES (2, 'b')`,
    'DELETE FROM pupil',
    'WITH gone AS (DELETE FROM pupil RETURNING id) SELECT * FROM gone',
  ])('so one that writes rows is refused: %s', async (sql) => {
    await expect(apply(1, sql)).rejects.toMatchObject({ code: 'MIGRATION_WRITES_ROWS' });
  });

  test.each([
    'timestamptz DEFAULT now()',
    'date DEFAULT CURRENT_DATE',
    'uuid DEFAULT gen_random_uuid()',
    'serial',
    'int GENERATED ALWAYS AS IDENTITY',
    `text DEFAULT 'a' || clock_timestamp()`,
  ])('so a default that is another value at each site is refused: %s', async (type) => {
    const attempt = apply(1, `ALTER TABLE pupil ADD COLUMN extra ${type}`);
    await expect(attempt).rejects.toMatchObject({ code: 'MIGRATION_DEFAULT_VARIES' });
  });

  test.each([
    'ALTER TABLE pupil ADD COLUMN extra numeric(4, 2) NOT NULL DEFAULT 0',
    `ALTER TABLE pupil ADD COLUMN extra date DEFAULT '2026-01-01'`,
    `ALTER TABLE pupil ADD COLUMN extra text DEFAULT 'a' || lower('B')`,
    'ALTER TABLE pupil ADD COLUMN extra timestamptz; ALTER TABLE pupil ALTER COLUMN extra SET DEFAULT now()',
    'ALTER TABLE pupil ADD COLUMN extra int GENERATED ALWAYS AS (id * 2) STORED',
    'CREATE TABLE other (id serial PRIMARY KEY, at timestamptz DEFAULT now())',
    'ALTER TABLE pupil ALTER COLUMN id TYPE bigint',
  ])('and this one is fine: %s', async (sql) => {
    expect(await apply(1, sql)).toBe('applied');
  });
});

describe("a migration beside the application's own record", () => {
  const sha256 = (sql: string) => createHash('sha256').update(sql).digest('hex');

  beforeEach(async () => {
    await admin.query(`SET ROLE ${owner};
      CREATE TABLE skooly_migration (name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz DEFAULT now());
      INSERT INTO skooly_migration VALUES ('001-school.sql', 'x'), ('003-money.sql', 'y'); RESET ROLE`);
    await prepare();
  });

  test('follows the last one that the application had run when the site was prepared', async () => {
    await expect(apply(1, 'SELECT 1')).rejects.toMatchObject({ code: 'MIGRATION_GAP' });
    expect(await apply(4, 'SELECT 1')).toBe('applied');
  });

  test('is recorded there as well, so that the application does not run it again', async () => {
    await apply(4, 'SELECT 1');
    const { rows } = await admin.query(`SELECT sha256 FROM skooly_migration WHERE name = '004-step.sql'`);
    expect(rows).toEqual([{ sha256: sha256('SELECT 1') }]);
  });

  test('that the application ran by itself is not run again, and its new table is taken in', async () => {
    const sql = 'CREATE TABLE house (id int PRIMARY KEY)';
    await admin.query(`SET ROLE ${owner}; ${sql}; RESET ROLE`);
    await admin.query(`INSERT INTO skooly_migration VALUES ('004-step.sql', '${sha256(sql)}')`);
    expect(await apply(4, sql, newMap)).toBe('recorded');
    const { rows } = await admin.query(`SELECT FROM pg_publication_tables WHERE tablename = 'house'`);
    expect(rows).toHaveLength(1);
  });

  test('that the application ran with another text is refused', async () => {
    await admin.query(`INSERT INTO skooly_migration VALUES ('004-step.sql', 'another')`);
    await expect(apply(4, 'SELECT 1')).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
  });
});
