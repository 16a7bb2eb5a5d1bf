import { describe, expect, test } from 'vitest';
import { until } from '../support/chain.ts';
import { connectedChain } from '../support/connected-chain.ts';

const schema = `
  CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text UNIQUE);
  CREATE TABLE room (id int PRIMARY KEY, campus text NOT NULL, house_id int NOT NULL
                     REFERENCES house DEFERRABLE INITIALLY DEFERRED, size int CHECK (size < 100000));
  CREATE TABLE constant (name text PRIMARY KEY, value text);`;

const seed = `INSERT INTO house SELECT n, 'mvan', 'h' || n FROM generate_series(1, 5) n; INSERT INTO constant VALUES ('pi', '3');`;

const syncMap = {
  version: 1,
  database: 'houses',
  tables: {
    'public.house': { scope: 'campus', policy: 'newest' },
    'public.room': { scope: 'campus', policy: 'newest' },
    'public.constant': { scope: null, policy: 'cloud' },
  },
};

const its = connectedChain({ schema, seed, syncMap });
const { rows, equal } = its;

const digest = async (side: 'cloud' | 'campus') =>
  rows(
    side,
    `SELECT (SELECT count(*) || ' ' || coalesce(md5(string_agg(r::text, ',' ORDER BY id)), '') FROM room r) AS rooms,
            (SELECT count(*) || ' ' || coalesce(md5(string_agg(h::text, ',' ORDER BY id)), '') FROM house h) AS houses,
            (SELECT count(*) FROM sync.conflict) AS conflicts`,
  );

const bothEqual = () => equal(digest);

/** More than two parts; its rooms come before their house. */
const large = (first: number, house: number, name: string) => `
  BEGIN;
  INSERT INTO room SELECT ${first} + n, 'mvan', ${house}, n FROM generate_series(1, 12000) n;
  INSERT INTO house VALUES (${house}, 'mvan', '${name}');
  COMMIT`;

describe('a transaction that is larger than a part', () => {
  test('is applied whole in the cloud, whatever order its rows came in', async () => {
    await its.chain.campus.query(large(100_000, 10, 'ten'));
    await its.chain.settled();
    expect(await rows('cloud', 'SELECT count(*) FROM room WHERE house_id = 10')).toEqual([
      { count: '12000' },
    ]);
    expect(await rows('cloud', 'SELECT count(*) FROM sync.part')).toEqual([{ count: '0' }]);
    await bothEqual();
  });

  test('reaches the campus whole', async () => {
    await its.chain.cloud.query(large(200_000, 20, 'twenty'));
    await its.chain.settled();
    expect(await rows('campus', 'SELECT count(*) FROM room WHERE house_id = 20')).toEqual([
      { count: '12000' },
    ]);
    const { rows: parts } = await its.chain.cloud.query(
      `SELECT count(*) FROM sync.feed WHERE body LIKE '%"more":true%'`,
    );
    expect(Number(parts[0].count)).toBeGreaterThan(0);
    await bothEqual();
  });

  test('is parked whole when one row of it cannot stand, and goes through when it can', async () => {
    await its.chain.disconnect();
    await its.chain.cloud.query(`INSERT INTO house VALUES (31, 'mvan', 'thirty')`);
    await its.chain.campus.query(large(300_000, 30, 'thirty'));
    await its.chain.campus.query(`UPDATE house SET name = 'not delayed' WHERE id = 1`);
    await its.chain.connect();
    await its.chain.settled();
    expect(await rows('cloud', 'SELECT name FROM house WHERE id = 1')).toEqual([{ name: 'not delayed' }]);
    expect(await rows('cloud', 'SELECT count(*) FROM room WHERE house_id = 30')).toEqual([{ count: '0' }]);
    await bothEqual();
    await its.chain.cloud.query(`UPDATE house SET name = 'thirty-one' WHERE id = 31`);
    await until(async () => (await rows('cloud', 'SELECT FROM sync.parked')).length === 0);
    await bothEqual();
    expect(await rows('campus', 'SELECT count(*) FROM room WHERE house_id = 30')).toEqual([
      { count: '12000' },
    ]);
  });

  test('whose box stops in the midst of it arrives once', async () => {
    await its.chain.disconnect();
    await its.chain.campus.query(large(400_000, 40, 'forty'));
    for (let stop = 0; stop < 4; stop++) {
      await its.chain.connect();
      const logged = (await its.chain.sync.status()).loggedSeq;
      await until(async () => (await its.chain.sync.status()).loggedSeq > logged, 1_500).catch(() => {});
      await its.chain.disconnect();
    }
    await its.chain.connect();
    await its.chain.settled();
    await bothEqual();
    expect(await rows('cloud', 'SELECT count(*) FROM room WHERE house_id = 40')).toEqual([
      { count: '12000' },
    ]);
  });
});

describe('TRUNCATE', () => {
  test('on campus is parked with its reason, and the rows come back', async () => {
    const before = await digest('cloud');
    await its.chain.campus.query('TRUNCATE room');
    await until(
      async () => (await rows('cloud', `SELECT FROM sync.conflict WHERE kind = 'forbidden'`)).length === 1,
    );
    await until(async () => (await digest('campus'))[0].rooms === before[0].rooms);
    await bothEqual();
    const [entry] = await rows(
      'campus',
      `SELECT table_name, status, detail FROM sync.conflict WHERE kind = 'forbidden'`,
    );
    expect(entry).toMatchObject({ table_name: 'public.room', status: 'open' });
    expect(entry.detail).toContain('TRUNCATE');
  });

  test('in the cloud leaves the campus its rows and says so in the inbox', async () => {
    await its.chain.cloud.query('TRUNCATE constant');
    await until(
      async () =>
        (await rows('campus', `SELECT FROM sync.conflict WHERE table_name = 'public.constant'`)).length === 1,
    );
    expect(await rows('campus', 'SELECT value FROM constant')).toEqual([{ value: '3' }]);
  });
});
