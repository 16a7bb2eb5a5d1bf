import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Chain, startChain } from '../support/chain.ts';

const schema = `
  CREATE TABLE house (id int PRIMARY KEY, campus_id text NOT NULL, name text NOT NULL, UNIQUE (campus_id, name));
  CREATE TABLE visit (
    id uuid PRIMARY KEY,
    campus_id text NOT NULL,
    house_id int NOT NULL REFERENCES house,
    at timestamptz NOT NULL,
    open boolean NOT NULL DEFAULT true,
    note text,
    price numeric(10,2),
    seen_by text
  );
  CREATE TABLE ranking (id int PRIMARY KEY, campus_id text NOT NULL, cloud_says text, campus_says text, newest_says text, person_says text, by text);
  CREATE TABLE constant (name text PRIMARY KEY, value text);`;

const seed = `
  INSERT INTO house VALUES (1, 'mvan', 'red'), (2, 'mvan', 'blue'), (3, 'other', 'red');
  INSERT INTO visit VALUES ('00000000-0000-7000-8000-000000000001', 'mvan', 1, '2026-01-02 03:04:05.123456Z', true, E'a\\nb "c" {d}', 12.50, 'x');
  INSERT INTO ranking VALUES (1, 'mvan', 'a', 'a', 'a', 'a', 'start');
  INSERT INTO constant VALUES ('pi', '3.14');`;

const syncMap = {
  version: 1,
  database: 'chain',
  tables: {
    'public.house': { scope: 'campus_id', policy: 'newest' },
    'public.visit': { scope: 'campus_id', policy: 'newest', by: 'seen_by' },
    'public.ranking': {
      scope: 'campus_id',
      policy: 'newest',
      by: 'by',
      columns: { cloud_says: 'cloud', campus_says: 'campus', person_says: 'inbox' },
    },
    'public.constant': { scope: null, direction: 'down', policy: 'cloud' },
  },
};

describe('the chain from campus to cloud and back', () => {
  let chain: Chain;
  const rows = async (side: 'cloud' | 'campus', sql: string) => (await chain[side].query(sql)).rows;
  const bothEqual = async () => {
    for (const table of ['house', 'visit', 'ranking', 'constant', 'sync.conflict']) {
      const scope =
        table === 'constant' ? '' : `WHERE ${table === 'sync.conflict' ? 'campus' : 'campus_id'} = 'mvan'`;
      const sql = `SELECT t::text AS row FROM ${table} t ${scope} ORDER BY 1`;
      expect(await rows('campus', sql), table).toEqual(await rows('cloud', sql));
    }
  };

  beforeAll(async () => {
    chain = await startChain({ schema, seed, syncMap, campus: 'mvan' });
    await chain.connect();
    await chain.settled();
  });

  afterAll(async () => {
    await chain[Symbol.asyncDispose]();
  });

  test('an empty campus is given its own rows and nobody else’s', async () => {
    expect(await rows('campus', 'SELECT id FROM house ORDER BY 1')).toEqual([{ id: '1' }, { id: '2' }]);
    await bothEqual();
  });

  test('writes travel both ways while online, byte for byte', async () => {
    await chain.campus.query(
      `INSERT INTO visit VALUES ('00000000-0000-7000-8000-000000000002', 'mvan', 2, now(), false, NULL, 0.10, 'é')`,
    );
    await chain.cloud.query(
      `UPDATE visit SET note = 'seen' WHERE id = '00000000-0000-7000-8000-000000000001'`,
    );
    await chain.cloud.query(`UPDATE constant SET value = '3.14159' WHERE name = 'pi'`);
    await chain.settled();
    expect(await rows('campus', `SELECT value FROM constant`)).toEqual([{ value: '3.14159' }]);
    expect(await rows('cloud', `SELECT seen_by FROM visit WHERE house_id = 2`)).toEqual([{ seen_by: 'é' }]);
    await bothEqual();
  });

  test('each policy settles a clash in its own way and both sides see what was lost', async () => {
    await chain.disconnect();
    await chain.campus.query(
      `UPDATE ranking SET cloud_says='m', campus_says='m', newest_says='m', person_says='m', by='marie'`,
    );
    await chain.cloud.query(
      `UPDATE ranking SET cloud_says='c', campus_says='c', newest_says='c', person_says='c', by='claude'`,
    );
    await chain.connect();
    await chain.settled();
    await bothEqual();
    expect(await rows('cloud', 'SELECT * FROM ranking')).toEqual([
      {
        id: '1',
        campus_id: 'mvan',
        cloud_says: 'c',
        campus_says: 'm',
        newest_says: 'c',
        person_says: 'c',
        by: 'marie',
      },
    ]);
    const [conflict] = await rows(
      'campus',
      `SELECT * FROM sync.conflict WHERE table_name = 'public.ranking'`,
    );
    expect(conflict).toMatchObject({
      kind: 'update_differs',
      status: 'open',
      campus_by: 'marie',
      cloud_by: 'claude',
    });
    expect(JSON.parse(conflict.campus_value)).toEqual({
      cloud_says: 'm',
      campus_says: 'm',
      newest_says: 'm',
      person_says: 'm',
    });
    expect(JSON.parse(conflict.cloud_value)).toEqual({
      cloud_says: 'c',
      campus_says: 'c',
      newest_says: 'c',
      person_says: 'c',
    });
    expect(conflict.cloud_at).not.toBeNull();
  });

  test('a later campus change wins by newest although the row changed in another column afterwards', async () => {
    await chain.disconnect();
    await chain.cloud.query(`UPDATE ranking SET newest_says = 'cloud early'`);
    await chain.campus.query(`UPDATE ranking SET newest_says = 'campus late'`);
    await chain.cloud.query(`UPDATE ranking SET cloud_says = 'other column'`);
    await chain.connect();
    await chain.settled();
    await bothEqual();
    expect(await rows('cloud', 'SELECT newest_says, cloud_says FROM ranking')).toEqual([
      { newest_says: 'campus late', cloud_says: 'other column' },
    ]);
  });

  test('a unique clash parks the campus’s transaction, corrects the campus, and lets everything else go on', async () => {
    await chain.disconnect();
    await chain.campus.query(`INSERT INTO house VALUES (10, 'mvan', 'green')`);
    await chain.cloud.query(`INSERT INTO house VALUES (11, 'mvan', 'green')`);
    await chain.campus.query(`INSERT INTO house VALUES (12, 'mvan', 'yellow')`);
    await chain.campus.query(
      `INSERT INTO visit VALUES ('00000000-0000-7000-8000-000000000003', 'mvan', 10, now(), true, NULL, 1, 'x')`,
    );
    await chain.connect();
    await chain.settled();
    await bothEqual();
    expect(await rows('campus', `SELECT id FROM house WHERE id >= 10 ORDER BY id`)).toEqual([
      { id: '11' },
      { id: '12' },
    ]);
    expect(await rows('cloud', `SELECT kind FROM sync.parked ORDER BY seq`)).toEqual([
      { kind: 'unique_clash' },
      { kind: 'parent_missing' },
    ]);
    expect((await chain.sync.status()).parked).toBe(2);
  });

  test('rows deleted on one side and changed on the other are judged, recorded, and equal afterwards', async () => {
    await chain.cloud.query(
      `INSERT INTO house VALUES (20, 'mvan', 'u'), (21, 'mvan', 'v'), (22, 'mvan', 'w')`,
    );
    await chain.settled();
    await chain.disconnect();
    await chain.campus.query('DELETE FROM house WHERE id = 20');
    await chain.campus.query(`UPDATE house SET name = 'v2' WHERE id = 21`);
    await chain.campus.query('DELETE FROM house WHERE id = 22');
    await chain.cloud.query(`UPDATE house SET name = 'u2' WHERE id = 20`);
    await chain.cloud.query('DELETE FROM house WHERE id = 21');
    await chain.cloud.query('DELETE FROM house WHERE id = 22');
    await chain.connect();
    await chain.settled();
    await bothEqual();
    const kinds = await rows(
      'cloud',
      `SELECT kind FROM sync.conflict WHERE row_key->>'id' IN ('20','21','22') ORDER BY 1`,
    );
    expect(kinds.map((row) => row.kind)).toEqual(['delete_differs', 'delete_missing', 'update_missing']);
  });

  test('a campus may not write what only comes down, nor another campus’s rows', async () => {
    await chain.campus.query(`UPDATE constant SET value = '3'`);
    await chain.campus.query(`INSERT INTO house VALUES (30, 'other', 'stolen')`);
    await chain.settled();
    await bothEqual();
    expect(await rows('cloud', 'SELECT value FROM constant')).toEqual([{ value: '3.14159' }]);
    expect(await rows('cloud', 'SELECT id FROM house WHERE id = 30')).toEqual([]);
    expect(await rows('campus', 'SELECT id FROM house WHERE id = 30')).toEqual([]);
  });

  test('a large transaction crosses whole', async () => {
    await chain.campus.query(
      `INSERT INTO house SELECT 1000 + i, 'mvan', 'h' || i FROM generate_series(1, 20000) i`,
    );
    await chain.cloud.query(
      `INSERT INTO house SELECT 100000 + i, 'mvan', 'g' || i FROM generate_series(1, 20000) i`,
    );
    await chain.settled();
    await bothEqual();
  });
});
