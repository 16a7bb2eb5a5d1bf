import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { type Catalog, readCatalog } from '../postgres/apply/catalog.ts';
import { sessionConfig } from '../postgres/session.ts';
import { parseSyncMap } from '../sync-map/sync-map.ts';
import { bucketsOf, decodeDigests, differingBuckets, encodeDigests } from './digest.ts';
import { type DigestSource, digestRows, listVersions, readDatedRows, readVersions } from './table-digest.ts';
import { decodeVersions, encodeVersions } from './version-list.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'digests',
  tables: { 'public.Odd "table"': { scope: 'campus', policy: 'newest' } },
});

let databases: TestDatabase[];
let sites: { client: Client; catalog: Catalog }[];
const source = (site: number, campus: string | null = 'mvan'): DigestSource => {
  const table = sites[site]?.catalog.tables.get('public.Odd "table"');
  if (!table) throw new Error('no table');
  return { table, columns: ['campus', 'flag', 'half', 'number', 'price', 'the "text"'], campus };
};
const query = (site: number, sql: string) => sites[site]?.client.query(sql);
const clientOf = (site: number) => (sites[site] as { client: Client }).client;

beforeAll(async () => {
  databases = [await createDatabase('digest'), await createDatabase('digest')];
  sites = [];
  for (const [site, { url }] of databases.entries()) {
    const client = new Client(sessionConfig(url, { applicationName: 'digest test' }));
    await client.connect();
    // The second site has its columns in another order, and one that the first has not.
    const more = site === 0 ? '' : 'only_here int DEFAULT 7, ';
    await client.query(`
      CREATE SCHEMA sync; CREATE TABLE sync.conflict (id uuid PRIMARY KEY, campus text, decided_by text);
      CREATE TABLE "Odd ""table""" (${more}number int, half text, campus text, flag bool, price numeric(8,2), "the ""text""" text,
                                    PRIMARY KEY (number, half));
      INSERT INTO "Odd ""table""" (number, half, campus, flag, price, "the ""text""")
      SELECT n, 'h' || n % 2, CASE n % 4 WHEN 0 THEN 'other' ELSE 'mvan' END, n % 3 = 0, n / 7.0,
             CASE n % 5 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE E'a, "b"\\n' || n END
      FROM generate_series(1, 3000) n ${site === 0 ? '' : 'ORDER BY random()'}`);
    sites.push({ client, catalog: await readCatalog(client, syncMap) });
  }
});

afterAll(async () => {
  for (const { client } of sites) await client.end();
  for (const database of databases) await database.drop();
});

test('equal rows have equal digests, whatever their order, and a row of another campus is not among them', async () => {
  const set = { bits: 4, within: null };
  const [one, other] = [
    await digestRows(clientOf(0), source(0), set),
    await digestRows(clientOf(1), source(1), set),
  ];
  expect(other.sort((a, b) => a.bucket - b.bucket)).toEqual(one.sort((a, b) => a.bucket - b.bucket));
  expect(one.reduce((sum, digest) => sum + digest.rows, 0)).toBe(2250);
  const whole = await digestRows(clientOf(0), source(0, null), set);
  expect(whole.reduce((sum, digest) => sum + digest.rows, 0)).toBe(3000);
});

test('every difference is found bucket by bucket: another value, null or empty, a row more, a row less', async () => {
  await query(1, 'BEGIN');
  await query(1, `UPDATE "Odd ""table""" SET flag = NOT flag WHERE number = 1`);
  await query(1, `UPDATE "Odd ""table""" SET "the ""text""" = '' WHERE number = 10`);
  await query(1, `DELETE FROM "Odd ""table""" WHERE number = 11`);
  await query(1, `INSERT INTO "Odd ""table""" (number, half, campus) VALUES (5001, 'x', 'mvan')`);
  await query(1, `UPDATE "Odd ""table""" SET price = 1.00 WHERE number = 4`);
  const coarse = { bits: 3, within: null };
  const coarseDiffering = differingBuckets(
    await digestRows(clientOf(0), source(0), coarse),
    decodeDigests(coarse, encodeDigests(coarse, await digestRows(clientOf(1), source(1), coarse))),
  ).map(({ bucket }) => bucket);
  const fine = { bits: 9, within: { bits: 3, buckets: coarseDiffering } };
  const theirs = await digestRows(clientOf(1), source(1), fine);
  expect(theirs.every(({ bucket }) => bucketsOf(fine).includes(bucket))).toBe(true);
  const buckets = differingBuckets(
    await digestRows(clientOf(0), source(0), fine),
    decodeDigests(fine, encodeDigests(fine, theirs)),
  ).map(({ bucket }) => bucket);
  const list = async (site: number) => {
    const rows = await listVersions(clientOf(site), source(site), { bits: 9, buckets }, 10_000);
    expect(decodeVersions(encodeVersions(rows))).toEqual(rows);
    return new Map(rows.map((row) => [JSON.stringify(row.key), row.hash]));
  };
  const [ours, their] = [await list(0), await list(1)];
  const differing = [...new Set([...ours.keys(), ...their.keys()])].filter(
    (key) => ours.get(key) !== their.get(key),
  );
  expect(differing.sort()).toEqual(['["h0","10"]', '["h1","1"]', '["h1","11"]', '["x","5001"]']);
  await query(1, 'ROLLBACK');
});

test('a row that was written again has another version though it is what it was', async () => {
  const keys = [
    { half: 'h1', number: '1' },
    { half: 'h0', number: '4' },
    { half: 'h0', number: '9999' },
  ];
  const [before] = await readVersions(clientOf(0), source(0), keys);
  await query(0, `UPDATE "Odd ""table""" SET flag = flag WHERE number = 1`);
  const after = await readVersions(clientOf(0), source(0), keys);
  expect(after).toHaveLength(1);
  expect(after[0]).toMatchObject({ key: ['h1', '1'], hash: before?.hash, bytes: before?.bytes });
  expect(after[0]?.version).not.toBe(before?.version);
});

test('rows are read whole with the time of their commit', async () => {
  const [dated] = await readDatedRows(clientOf(0), source(0), [{ half: 'h1', number: '1' }]);
  expect(dated?.row).toEqual({
    campus: 'mvan',
    flag: 'f',
    half: 'h1',
    number: '1',
    price: '0.14',
    'the "text"': '',
  });
  expect(Math.abs((dated?.writtenAt ?? 0) / 1000 - Date.now())).toBeLessThan(600_000);
});
