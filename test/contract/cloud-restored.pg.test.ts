import { describe, expect, test } from 'vitest';
import { until } from '../support/chain.ts';
import { connectedChain } from '../support/connected-chain.ts';

const schema = `
  CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text, size int, owner text);
  CREATE TABLE payment (id int PRIMARY KEY, campus text NOT NULL, house_id int NOT NULL REFERENCES house, amount int NOT NULL);
  CREATE TABLE constant (name text PRIMARY KEY, value text);`;

const seed = `
  INSERT INTO house SELECT n, 'mvan', 'h' || n, n, 'nobody' FROM generate_series(1, 5) n;
  INSERT INTO constant VALUES ('pi', '3');`;

const syncMap = {
  version: 1,
  database: 'houses',
  tables: {
    'public.house': { scope: 'campus', policy: 'newest', columns: { owner: 'inbox' } },
    'public.payment': { scope: 'campus', policy: 'inbox', appendOnly: true },
    'public.constant': { scope: null, direction: 'down', policy: 'cloud' },
  },
};

const its = connectedChain({ schema, seed, syncMap });
const { rows, equal } = its;

const everything = async (side: 'cloud' | 'campus') => [
  await rows(side, 'SELECT * FROM house ORDER BY id'),
  await rows(side, 'SELECT * FROM payment ORDER BY id'),
  await rows(side, 'SELECT * FROM constant ORDER BY name'),
  await rows(side, 'SELECT * FROM sync.conflict ORDER BY id'),
];
const epoch = async () => (await rows('cloud', 'SELECT epoch FROM sync.site'))[0].epoch as string;

const bothEqual = () => equal(everything);

/** Waits until the box has noticed that the cloud is another one, and is through with giving back. */
async function mended(before: string) {
  await until(async () => (await epoch()) !== before);
  await until(async () => {
    const [cursor] = await rows('campus', 'SELECT epoch FROM sync.cursor');
    return cursor.epoch === (await epoch());
  });
  await its.chain.settled();
}

describe('a cloud that was restored to an earlier point', () => {
  test('is given back both sides’ writes that the campus had, in their order', async () => {
    const before = await epoch();
    const restore = await its.chain.backUpCloud();
    await its.chain.settled();
    await its.chain.cloud.query(`UPDATE house SET name = 'cloud 1' WHERE id = 1`);
    await its.chain.cloud.query(`INSERT INTO house VALUES (50, 'mvan', 'new in the cloud', 1, 'nobody')`);
    await its.chain.settled();
    await its.chain.campus.query(`UPDATE house SET name = name || ', then campus' WHERE id = 1`);
    await its.chain.campus.query(`INSERT INTO payment VALUES (1, 'mvan', 50, 25000)`);
    await its.chain.settled();
    await its.chain.cloud.query(`UPDATE house SET name = name || ', then cloud again' WHERE id = 1`);
    await its.chain.cloud.query(`DELETE FROM house WHERE id = 2`);
    await its.chain.cloud.query(`UPDATE constant SET value = '3.14'`);
    await its.chain.settled();
    await bothEqual();
    const had = await everything('campus');
    await restore();
    expect(await rows('cloud', 'SELECT name FROM house WHERE id = 1')).toEqual([{ name: 'h1' }]);
    await mended(before);
    await bothEqual();
    expect((await everything('cloud')).slice(0, 3)).toEqual(had.slice(0, 3));
    expect(await rows('cloud', 'SELECT name FROM house WHERE id = 1')).toEqual([
      { name: 'cloud 1, then campus, then cloud again' },
    ]);
  });

  test('keeps what it committed since the restore, and what clashes with it is in the inbox', async () => {
    const before = await epoch();
    const restore = await its.chain.backUpCloud();
    await its.chain.settled();
    await its.chain.cloud.query(`UPDATE house SET owner = 'lost' WHERE id = 3`);
    await its.chain.settled();
    await its.chain.disconnect();
    await restore();
    await its.chain.campus.query(`UPDATE house SET size = 99 WHERE id = 4`);
    await until(async () => (await epoch()) !== before);
    await its.chain.cloud.query(`UPDATE house SET owner = 'written after the restore' WHERE id = 3`);
    await its.chain.connect();
    await mended(before);
    await bothEqual();
    expect(await rows('campus', 'SELECT owner FROM house WHERE id = 3')).toEqual([
      { owner: 'written after the restore' },
    ]);
    expect(await rows('cloud', 'SELECT size FROM house WHERE id = 4')).toEqual([{ size: '99' }]);
    const inbox = await rows(
      'campus',
      `SELECT campus_value, status FROM sync.conflict WHERE kind = 'update_differs'`,
    );
    expect(inbox).toEqual([{ campus_value: '{"owner": "lost"}', status: 'open' }]);
  });

  test('that is restored again, to before the first restore, gets everything once', async () => {
    const before = await epoch();
    const early = await its.chain.backUpCloud();
    await its.chain.settled();
    for (const id of [10, 11])
      await its.chain.campus.query(`INSERT INTO payment VALUES (${id}, 'mvan', 1, ${id})`);
    await its.chain.cloud.query(`INSERT INTO house VALUES (60, 'mvan', 'sixty', 1, 'x')`);
    await its.chain.settled();
    const late = await its.chain.backUpCloud();
    await its.chain.settled();
    await its.chain.cloud.query(`UPDATE house SET size = size + 1 WHERE id = 60`);
    await its.chain.settled();
    await late();
    await mended(before);
    const middle = await epoch();
    await its.chain.cloud.query(`UPDATE house SET name = 'sixty-one' WHERE id = 60`);
    await its.chain.campus.query(`INSERT INTO payment VALUES (12, 'mvan', 60, 12)`);
    await its.chain.settled();
    const had = await everything('campus');
    await early();
    await mended(middle);
    await bothEqual();
    expect((await everything('cloud')).slice(0, 3)).toEqual(had.slice(0, 3));
    expect(await rows('cloud', 'SELECT name, size FROM house WHERE id = 60')).toEqual([
      { name: 'sixty-one', size: '2' },
    ]);
  });

  test('is given back what came in blocks, as far as its place among the campus’s own writes says', async () => {
    const before = await epoch();
    const restore = await its.chain.backUpCloud();
    await its.chain.settled();
    await its.chain.disconnect();
    for (let n = 0; n < 250; n++)
      await its.chain.cloud.query(`INSERT INTO house VALUES ($1, 'mvan', 'of many', $1, 'x')`, [1000 + n]);
    await its.chain.campus.query(`INSERT INTO payment VALUES (20, 'mvan', 1, 20)`);
    await its.chain.connect();
    await its.chain.settled();
    await its.chain.cloud.query(`UPDATE house SET name = name || '!' WHERE id >= 1000`);
    await its.chain.settled();
    await bothEqual();
    const had = await everything('campus');
    await restore();
    expect(await rows('cloud', 'SELECT id FROM house WHERE id >= 1000')).toEqual([]);
    await mended(before);
    await bothEqual();
    expect((await everything('cloud')).slice(0, 3)).toEqual(had.slice(0, 3));
  });
});
