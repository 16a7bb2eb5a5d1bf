import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  applyMigration,
  parseSyncMap,
  readMigration,
  type SignedMigration,
  signMigration,
} from '@skooly-edge/sync-protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Chain, type ChainOptions, startChain, until } from '../support/chain.ts';

const release = generateKeyPairSync('ed25519');

const mapFile = {
  version: 1,
  database: 'school',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
};
const syncMap = parseSyncMap(mapFile);
const mapWithClubs = JSON.stringify({
  ...mapFile,
  tables: { ...mapFile.tables, 'public.club': { scope: 'campus', policy: 'newest' } },
});

let options: ChainOptions;
let chain: Chain;

beforeEach(async () => {
  options = {
    schema: `CREATE TABLE pupil (id int PRIMARY KEY, campus text NOT NULL, name text);`,
    seed: `INSERT INTO pupil VALUES (1, 'mvan', 'Ngo'), (2, 'mvan', 'Abanda'), (3, 'mvan', 'Fon');`,
    syncMap: mapFile,
    campus: 'mvan',
  };
  chain = await startChain(options);
  await chain.connect();
  await chain.settled();
});

afterEach(async () => {
  await chain[Symbol.asyncDispose]();
});

const signed = (name: string, sql: string, map: string | null = null, key: KeyObject = release.privateKey) =>
  signMigration(readMigration(name, sql, map), key);

const inCloud = (migration: SignedMigration) => applyMigration(chain.cloudUrl, migration, syncMap);
const onCampus = (migration: SignedMigration) => applyMigration(chain.campusUrl, migration, syncMap);

/** From now on the box follows the cloud's schema. */
async function letItMigrate(): Promise<void> {
  await chain.disconnect();
  options.releaseKey = release.publicKey;
  await chain.connect();
}

const at = async (number: number) =>
  until(async () => (await chain.sync.status()).schema.number === number && (await kept()) === 0);
const kept = async () => (await chain.sync.status()).schema.kept;

/** Entries of the feed carry a stamp of this campus's log from its first push on. */
async function haveStamp(): Promise<void> {
  await chain.campus.query(`UPDATE pupil SET name = 'Fon-Ngwa' WHERE id = 3`);
  await chain.settled();
}

async function expectEqual(...tables: string[]): Promise<void> {
  for (const table of tables) {
    const sql = `SELECT to_jsonb(t)::text AS row FROM ${table} t ORDER BY 1`;
    const [campus, cloud] = [await chain.campus.query(sql), await chain.cloud.query(sql)];
    expect(campus.rows, table).toEqual(cloud.rows);
  }
}

const addHouse = signed('001-house.sql', `ALTER TABLE pupil ADD COLUMN house text NOT NULL DEFAULT 'none'`);
const addClubs = signed(
  '002-club.sql',
  `CREATE TABLE club (id int PRIMARY KEY, campus text NOT NULL, leader int REFERENCES pupil)`,
  mapWithClubs,
);
const addMotto = signed('003-motto.sql', 'ALTER TABLE club ADD COLUMN motto text');

describe('a box that is behind its cloud', () => {
  test('goes on with what it knows, and the cloud fills in its defaults', async () => {
    await inCloud(addHouse);
    await chain.campus.query(`INSERT INTO pupil VALUES (4, 'mvan', 'Tabe')`);
    await chain.campus.query(`UPDATE pupil SET name = 'NGO' WHERE id = 1`);
    await chain.cloud.query(`UPDATE pupil SET name = 'ABANDA', house = 'blue' WHERE id = 2`);
    await chain.settled();
    const { rows } = await chain.cloud.query('SELECT id, name, house FROM pupil ORDER BY id');
    expect(rows.map(({ id, name, house }) => [id, name, house])).toEqual([
      ['1', 'NGO', 'none'],
      ['2', 'ABANDA', 'blue'],
      ['3', 'Fon', 'none'],
      ['4', 'Tabe', 'none'],
    ]);
    const here = await chain.campus.query('SELECT name FROM pupil WHERE id = 2');
    expect(here.rows).toEqual([{ name: 'ABANDA' }]);
    expect(await kept()).toBe(1);
  });

  test('keeps every value of a column it does not have, and has them all when it has migrated', async () => {
    await inCloud(addHouse);
    await chain.cloud.query(`UPDATE pupil SET house = 'red' WHERE id < 3`);
    await chain.cloud.query(`UPDATE pupil SET house = 'blue' WHERE id = 2`);
    await chain.cloud.query(
      `INSERT INTO pupil VALUES (4, 'mvan', 'Tabe', 'green'), (5, 'mvan', 'Eto', 'red')`,
    );
    await chain.settled();
    expect(await kept()).toBe(4);
    await chain.cloud.query('DELETE FROM pupil WHERE id = 5');
    await chain.settled();
    expect(await kept()).toBe(3);
    await letItMigrate();
    await at(1);
    await chain.settled();
    await expectEqual('pupil');
    const { rows } = await chain.campus.query('SELECT house FROM pupil ORDER BY id');
    expect(rows.map(({ house }) => house)).toEqual(['red', 'blue', 'none', 'green']);
  });

  test('two or three migrations apart needs no new copy: rows of tables that it did not have arrive', async () => {
    await inCloud(addHouse);
    await inCloud(addClubs);
    await chain.cloud.query(`INSERT INTO club VALUES (1, 'mvan', 1), (2, 'mvan', 2), (3, 'elsewhere', NULL)`);
    await chain.cloud.query('UPDATE club SET leader = 3 WHERE id = 2');
    await inCloud(addMotto);
    await chain.cloud.query(`UPDATE club SET motto = 'sapere aude' WHERE id = 1`);
    await chain.cloud.query(`INSERT INTO club VALUES (4, 'mvan', 1, 'carpe diem')`);
    await chain.cloud.query('DELETE FROM club WHERE id = 3');
    await chain.settled();
    expect(await kept()).toBeGreaterThan(0);
    await letItMigrate();
    await at(3);
    await chain.campus.query(`INSERT INTO club VALUES (5, 'mvan', 2, 'festina lente')`);
    await chain.campus.query(`UPDATE club SET motto = NULL WHERE id = 4`);
    await chain.settled();
    await expectEqual('pupil', 'club');
    const { rows } = await chain.campus.query('SELECT id, leader, motto FROM club ORDER BY id');
    expect(rows.map(({ id, leader, motto }) => [id, leader, motto])).toEqual([
      ['1', '1', 'sapere aude'],
      ['2', '3', null],
      ['4', '1', null],
      ['5', '2', 'festina lente'],
    ]);
  });

  test('does not put a kept value over what was written here since', async () => {
    await inCloud(addHouse);
    await haveStamp();
    await chain.cloud.query(`UPDATE pupil SET house = 'red'`);
    // Back to the default: what this campus writes over it is no conflict, and nothing would correct it.
    await chain.cloud.query(`UPDATE pupil SET house = 'none' WHERE id = 2`);
    await chain.settled();
    await chain.disconnect();
    await onCampus(addHouse);
    await chain.campus.query(`UPDATE pupil SET house = 'mine' WHERE id < 3`);
    await chain.connect();
    await chain.settled();
    await until(async () => (await kept()) === 0);
    await chain.settled();
    await expectEqual('pupil', 'sync.conflict');
    const { rows } = await chain.campus.query('SELECT house FROM pupil ORDER BY id');
    expect(rows.map(({ house }) => house)).toEqual(['mine', 'mine', 'red']);
  });

  test('does not put what was kept for a row into another one that was made here under its key', async () => {
    await inCloud(addHouse);
    await haveStamp();
    await chain.cloud.query(`UPDATE pupil SET house = 'red' WHERE id = 1`);
    await chain.settled();
    await chain.campus.query(`DELETE FROM pupil WHERE id = 1`);
    await chain.campus.query(`INSERT INTO pupil VALUES (1, 'mvan', 'another')`);
    await chain.settled();
    await chain.cloud.query(`UPDATE pupil SET name = 'later' WHERE id = 2`);
    await chain.settled();
    await letItMigrate();
    await at(1);
    await chain.settled();
    await expectEqual('pupil');
  });

  test('whose row lacks what the cloud demands has it parked, with the column in the sentence', async () => {
    await chain.cloud.query(`ALTER TABLE pupil ADD COLUMN born date`);
    await chain.cloud.query(
      `UPDATE pupil SET born = '2012-01-01'; ALTER TABLE pupil ALTER COLUMN born SET NOT NULL`,
    );
    await chain.campus.query(`INSERT INTO pupil VALUES (4, 'mvan', 'Tabe')`);
    await chain.campus.query(`UPDATE pupil SET name = 'NGO' WHERE id = 1`);
    await chain.settled();
    const { rows } = await chain.cloud.query('SELECT kind, detail FROM sync.parked');
    expect(rows).toEqual([{ kind: 'check_violated', detail: expect.stringContaining('"born"') }]);
    const others = await chain.cloud.query('SELECT name FROM pupil WHERE id = 1');
    expect(others.rows).toEqual([{ name: 'NGO' }]);
  });
});

describe('a box that is ahead of its cloud', () => {
  test('has what it wrote parked as column_unknown, and applied when the cloud has the column', async () => {
    await chain.disconnect();
    await onCampus(addHouse);
    await chain.campus.query(`UPDATE pupil SET house = 'red' WHERE id = 1`);
    await chain.campus.query(`UPDATE pupil SET name = 'FON' WHERE id = 3`);
    await chain.connect();
    await chain.settled();
    const parked = await chain.cloud.query('SELECT kind FROM sync.parked');
    expect(parked.rows).toEqual([{ kind: 'column_unknown' }]);
    await inCloud(addHouse);
    await until(async () => (await chain.cloud.query('SELECT FROM sync.parked')).rowCount === 0);
    await chain.settled();
    await expectEqual('pupil');
    const { rows } = await chain.cloud.query('SELECT house FROM pupil ORDER BY id');
    expect(rows.map(({ house }) => house)).toEqual(['red', 'none', 'none']);
  });
});

describe('a migration that the box does not trust or cannot take', () => {
  const problem = async () => (await chain.sync.status()).schema.problem ?? '';

  test('because another key signed it is not run, and the status says so', async () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    await inCloud(signed('001-evil.sql', 'DROP TABLE IF EXISTS nothing', null, privateKey));
    await letItMigrate();
    await until(async () => /not signed/.test(await problem()));
    expect((await chain.sync.status()).schema).toMatchObject({ number: 0, cloudNumber: 1 });
    await chain.settled();
  });

  test('because a number is missing here is not run, and the status names both numbers', async () => {
    await inCloud(addHouse);
    await inCloud(addClubs);
    await chain.cloud.query(`UPDATE sync.migration SET signature = '' WHERE number = 1`);
    await letItMigrate();
    await until(async () => /number 2 and offers nothing that follows 0/.test(await problem()));
    await chain.settled();
  });

  test('because the box was not given what it takes is named, and the sync goes on', async () => {
    await inCloud(addHouse);
    await chain.disconnect();
    await chain.connect();
    await until(async () => /EDGE_MIGRATION_DATABASE_URL/.test(await problem()));
    await chain.cloud.query(`UPDATE pupil SET name = 'still here' WHERE id = 1`);
    await chain.settled();
    const { rows } = await chain.campus.query('SELECT name FROM pupil WHERE id = 1');
    expect(rows).toEqual([{ name: 'still here' }]);
  });
});
