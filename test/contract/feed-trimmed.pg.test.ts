/** A campus that was away for longer than the cloud kept its feed. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Chain, startChain, until } from '../support/chain.ts';

let chain: Chain;

beforeAll(async () => {
  chain = await startChain({
    campus: 'mvan',
    schema: 'CREATE TABLE pupil (id text PRIMARY KEY, campus_id text NOT NULL, name text);',
    seed: `INSERT INTO pupil SELECT 'p' || n, 'mvan', 'seed' FROM generate_series(1, 20) n;`,
    syncMap: {
      version: 1,
      database: 'trimmed',
      tables: { 'public.pupil': { scope: 'campus_id', policy: 'newest' } },
    },
  });
  await chain.connect();
  await chain.settled();
}, 120_000);
afterAll(() => chain[Symbol.asyncDispose]());

const rowsOf = async (side: 'cloud' | 'campus') =>
  (await chain[side].query('SELECT * FROM pupil ORDER BY id')).rows;
const head = async () =>
  Number((await chain.cloud.query('SELECT feed_seq FROM sync.follower')).rows[0].feed_seq);

it('goes on behind what is gone, and finds by a resync what was in it', async () => {
  await chain.disconnect();
  const before = await head();
  await chain.cloud.query(`UPDATE pupil SET name = 'cloud' WHERE id = 'p1'`);
  await chain.cloud.query(`INSERT INTO pupil VALUES ('q1', 'mvan', 'new')`);
  await chain.campus.query(`UPDATE pupil SET name = 'campus' WHERE id = 'p3'`);
  await until(async () => (await head()) === before + 2);
  await chain.cloud.query(`UPDATE pupil SET name = 'kept' WHERE id = 'p4'`);
  await until(async () => (await head()) === before + 3);
  await chain.cloud.query('DELETE FROM sync.feed WHERE seq <= $1', [before + 2]);
  await chain.cloud.query(
    `INSERT INTO sync.feed_reader (campus, trimmed_to) VALUES ('mvan', $1)
     ON CONFLICT (campus) DO UPDATE SET trimmed_to = excluded.trimmed_to`,
    [before + 2],
  );
  await chain.connect();
  await until(async () => {
    await chain.settled();
    return JSON.stringify(await rowsOf('campus')) === JSON.stringify(await rowsOf('cloud'));
  });
  const names = Object.fromEntries((await rowsOf('campus')).map(({ id, name }) => [id, name]));
  expect(names).toMatchObject({ p1: 'cloud', q1: 'new', p3: 'campus', p4: 'kept' });
});
