import { expect, test } from 'vitest';
import { startChain, until } from '../support/chain.ts';

const options = {
  schema:
    'CREATE TABLE leaf (id int PRIMARY KEY, campus text NOT NULL, text text); CREATE TABLE twig (id int PRIMARY KEY, campus text NOT NULL, leaf_id int NOT NULL REFERENCES leaf);',
  seed: `INSERT INTO leaf SELECT n, CASE n % 5 WHEN 0 THEN 'other' ELSE 'mvan' END, md5(n::text) FROM generate_series(1, 40000) n;`,
  syncMap: {
    version: 1,
    database: 'tree',
    tables: {
      'public.leaf': { scope: 'campus', policy: 'newest' },
      'public.twig': { scope: 'campus', policy: 'newest' },
    },
  },
  campus: 'mvan',
};

test('a first copy that is broken off goes on where it stopped, while the cloud keeps changing', async () => {
  await using chain = await startChain(options);
  const done = async () =>
    Number((await chain.campus.query('SELECT rows_done FROM sync.seed')).rows[0]?.rows_done ?? 0);
  await chain.connect();
  await until(async () => (await done()) > 0);
  await chain.disconnect();
  const before = await done();
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(32_000);
  expect((await chain.sync.status().catch(() => ({ ready: false }))).ready).toBe(false);

  // Rows behind, before and beyond the place where the copy stopped.
  await chain.cloud.query(`UPDATE leaf SET text = 'changed' WHERE id IN (1, 20001, 39999)`);
  await chain.cloud.query(`DELETE FROM leaf WHERE id IN (2, 20002)`);
  await chain.cloud.query(
    `INSERT INTO leaf VALUES (50001, 'mvan', 'new'); INSERT INTO twig VALUES (1, 'mvan', 50001)`,
  );
  await chain.connect();
  await chain.settled();

  const rows = async (side: 'cloud' | 'campus') =>
    (
      await chain[side].query(
        `SELECT count(*), sum(hashtextextended(l::text, 0)::numeric) FROM leaf l WHERE campus = 'mvan'`,
      )
    ).rows;
  expect(await rows('campus')).toEqual(await rows('cloud'));
  expect((await chain.campus.query('SELECT leaf_id FROM twig')).rows).toEqual([{ leaf_id: '50001' }]);
});

test('a slot that is gone is said in the status, with what to do, and the rest goes on', async () => {
  await using chain = await startChain(options);
  await chain.connect();
  await chain.settled();
  expect((await chain.sync.status()).captureProblem).toBeNull();
  await chain.disconnect();
  await chain.campus.query(
    'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()',
  );
  await chain.connect();
  await until(async () => (await chain.sync.status()).captureProblem !== null);
  expect((await chain.sync.status()).captureProblem).toMatch(
    /no usable replication slot .* Run the prepare command/,
  );
});

test('a campus database that already holds rows is refused by name, and nothing of it is touched', async () => {
  await using chain = await startChain(options);
  await chain.campus.query(`INSERT INTO leaf VALUES (7, 'mvan', 'mine')`);
  await chain.connect();
  await expect(chain.stopped()).rejects.toMatchObject({ code: 'DATABASE_NOT_EMPTY' });
  expect((await chain.campus.query('SELECT id, text FROM leaf')).rows).toEqual([{ id: '7', text: 'mine' }]);
});
