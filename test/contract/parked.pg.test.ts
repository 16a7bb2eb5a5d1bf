import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../support/chain.ts';
import { connectedChain, type Side } from '../support/connected-chain.ts';

const schema = `
  CREATE TABLE class (id int PRIMARY KEY, campus text NOT NULL, name text NOT NULL UNIQUE);
  CREATE TABLE seat (id int PRIMARY KEY, campus text NOT NULL, class_id int NOT NULL REFERENCES class,
                     pupil text NOT NULL, age int CHECK (age < 30));
  CREATE TABLE club (id int PRIMARY KEY, campus text NOT NULL, name text NOT NULL UNIQUE);`;

const seed = `
  INSERT INTO class VALUES (1, 'mvan', '3e A'), (2, 'mvan', '3e B');
  INSERT INTO seat VALUES (1, 'mvan', 1, 'Abena', 14), (2, 'mvan', 2, 'Biya', 15);`;

const syncMap = {
  version: 1,
  database: 'classes',
  tables: {
    'public.class': { scope: 'campus', policy: 'newest' },
    'public.seat': { scope: 'campus', policy: 'newest' },
    'public.club': { scope: 'campus', policy: 'newest', unique: { club_name_key: { suffix: 'name' } } },
  },
};

const its = connectedChain({ schema, seed, syncMap });
const { rows, apart, equal } = its;

const everything = async (side: Side) => [
  await rows(side, 'SELECT * FROM class ORDER BY id'),
  await rows(side, 'SELECT * FROM seat ORDER BY id'),
  await rows(side, 'SELECT * FROM sync.conflict ORDER BY id'),
];
const parkedInCloud = async () => Number((await rows('cloud', 'SELECT count(*) FROM sync.parked'))[0].count);

const bothEqual = () => equal(everything);

async function decide(side: Side, id: string, decision: object) {
  await its.chain[side].query(
    `UPDATE sync.conflict SET status = 'decided', decided_at = now(), decided_by = 'directrice', decision = $2 WHERE id = $1`,
    [id, JSON.stringify(decision)],
  );
}

const openEntry = async (kind: string) => {
  const [entry] = await rows(
    'cloud',
    `SELECT id FROM sync.conflict WHERE status = 'open' AND kind = '${kind}'`,
  );
  return entry.id as string;
};

describe('a parked transaction', () => {
  beforeEach(async () => {
    expect(await parkedInCloud()).toBe(0);
  });

  test('goes through by itself when the parent that it misses comes, and what waits behind it follows', async () => {
    await apart(
      [
        `INSERT INTO seat VALUES (10, 'mvan', 2, 'Ngono', 13)`,
        `UPDATE seat SET pupil = 'Ngono M.' WHERE id = 10`,
        `UPDATE seat SET pupil = 'Abena E.' WHERE id = 1`,
      ],
      [`DELETE FROM seat WHERE id = 2`, `DELETE FROM class WHERE id = 2`],
    );
    expect(await parkedInCloud()).toBe(2);
    expect(await rows('cloud', 'SELECT pupil FROM seat WHERE id = 1')).toEqual([{ pupil: 'Abena E.' }]);
    await bothEqual();
    await its.chain.cloud.query(`INSERT INTO class VALUES (2, 'mvan', '3e B again')`);
    await until(async () => (await parkedInCloud()) === 0);
    await bothEqual();
    expect(await rows('campus', 'SELECT pupil FROM seat WHERE id = 10')).toEqual([{ pupil: 'Ngono M.' }]);
    expect(
      await rows('campus', `SELECT DISTINCT status FROM sync.conflict WHERE kind = 'parent_missing'`),
    ).toEqual([{ status: 'settled' }]);
  });

  test('goes through when the unique value that it wants is free', async () => {
    await apart(
      [`INSERT INTO class VALUES (20, 'mvan', 'Tle C')`],
      [`INSERT INTO class VALUES (21, 'mvan', 'Tle C')`],
    );
    expect(await parkedInCloud()).toBe(1);
    await bothEqual();
    await its.chain.campus.query(`UPDATE class SET name = 'Tle D' WHERE id = 21`);
    await until(async () => (await parkedInCloud()) === 0);
    await bothEqual();
    expect(await rows('campus', 'SELECT name FROM class WHERE id >= 20 ORDER BY id')).toEqual([
      { name: 'Tle C' },
      { name: 'Tle D' },
    ]);
  });

  test('is tried with other values when somebody on campus, offline, decides so', async () => {
    await apart(
      [`INSERT INTO class VALUES (30, 'mvan', '2nde')`],
      [`INSERT INTO class VALUES (31, 'mvan', '2nde')`],
    );
    const id = await openEntry('unique_clash');
    await bothEqual();
    await its.chain.disconnect();
    await decide('campus', id, { action: 'edit', changes: [{ index: 0, values: { name: '2nde bis' } }] });
    await its.chain.connect();
    await until(async () => (await parkedInCloud()) === 0);
    await bothEqual();
    expect(await rows('campus', 'SELECT name FROM class WHERE id = 30')).toEqual([{ name: '2nde bis' }]);
  });

  test('that is edited into something that is refused as well is open again', async () => {
    await apart(
      [`INSERT INTO class VALUES (40, 'mvan', '1re')`],
      [`INSERT INTO class VALUES (41, 'mvan', '1re')`],
    );
    const id = await openEntry('unique_clash');
    await decide('cloud', id, { action: 'edit', changes: [{ index: 0, values: { name: '3e A' } }] });
    await until(
      async () =>
        (await rows('cloud', `SELECT status FROM sync.conflict WHERE id = '${id}'`))[0].status === 'open',
    );
    expect(await parkedInCloud()).toBe(1);
    await decide('cloud', id, { action: 'drop' });
    await until(async () => (await parkedInCloud()) === 0);
    await bothEqual();
    expect(await rows('cloud', 'SELECT kind FROM sync.dropped')).toEqual([{ kind: 'unique_clash' }]);
    expect(await rows('campus', 'SELECT id FROM class WHERE id = 40')).toEqual([]);
  });

  test('in the midst of a backlog delays nothing else', async () => {
    await apart(
      [
        `DO $$ BEGIN FOR n IN 1..3000 LOOP
           INSERT INTO seat VALUES (1000 + n, 'mvan', 1, 'pupil ' || n, 12);
           IF n = 1500 THEN INSERT INTO class VALUES (50, 'mvan', '6e'); END IF;
           COMMIT;
         END LOOP; END $$`,
      ],
      [`INSERT INTO class VALUES (51, 'mvan', '6e')`],
    );
    expect(await parkedInCloud()).toBe(1);
    expect(await rows('cloud', 'SELECT count(*) FROM seat WHERE id > 1000')).toEqual([{ count: '2999' }]);
    await bothEqual();
    await decide('campus', await openEntry('unique_clash'), { action: 'drop' });
    await until(async () => (await parkedInCloud()) === 0);
  });
});

describe('a unique clash that the sync map settles by a suffix', () => {
  test('lets both rows live, tells the campus, and keeps what it wanted', async () => {
    await apart(
      [
        `INSERT INTO club VALUES (1, 'mvan', 'Échecs')`,
        `BEGIN; INSERT INTO club VALUES (2, 'mvan', 'Judo'); UPDATE seat SET age = 16 WHERE id = 1; COMMIT`,
      ],
      [`INSERT INTO club VALUES (3, 'mvan', 'Échecs'), (4, 'mvan', 'Judo'), (5, 'mvan', 'Judo (mvan)')`],
    );
    expect(await parkedInCloud()).toBe(0);
    await bothEqual();
    expect(await rows('campus', 'SELECT id, name FROM club ORDER BY id')).toEqual([
      { id: '1', name: 'Échecs (mvan)' },
      { id: '2', name: 'Judo (mvan 2)' },
      { id: '3', name: 'Échecs' },
      { id: '4', name: 'Judo' },
      { id: '5', name: 'Judo (mvan)' },
    ]);
    const entries = await rows(
      'campus',
      `SELECT status, campus_value, result FROM sync.conflict WHERE table_name = 'public.club' ORDER BY campus_seq`,
    );
    expect(entries).toEqual([
      { status: 'settled', campus_value: '{"name": "Échecs"}', result: '{"name": "Échecs (mvan)"}' },
      { status: 'settled', campus_value: '{"name": "Judo"}', result: '{"name": "Judo (mvan 2)"}' },
    ]);
  });
});
