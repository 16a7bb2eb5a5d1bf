import { readFileSync } from 'node:fs';
import { conflictKinds } from '@skooly-edge/sync-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Chain, startChain, until } from '../support/chain.ts';

const schema = `
  CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text UNIQUE, rent int, owner text, by text);
  CREATE TABLE visit (id int PRIMARY KEY, campus text NOT NULL, house_id int REFERENCES house, note text);
  CREATE TABLE fee (id int PRIMARY KEY, campus text NOT NULL, amount int);
  CREATE TABLE mark (id int PRIMARY KEY, campus text NOT NULL, value int);`;

const seed = `
  INSERT INTO house SELECT n, 'mvan', 'h' || n, 10, 'nobody', 'seed' FROM generate_series(1, 20) n;
  INSERT INTO fee VALUES (1, 'mvan', 5000);
  INSERT INTO mark VALUES (1, 'mvan', 12), (2, 'mvan', 13), (3, 'mvan', 14);`;

const syncMap = {
  version: 1,
  database: 'kinds',
  tables: {
    'public.house': {
      scope: 'campus',
      policy: 'newest',
      columns: { owner: 'inbox', rent: 'cloud' },
      by: 'by',
    },
    'public.visit': { scope: 'campus', policy: 'newest' },
    'public.fee': { scope: 'campus', policy: 'inbox', appendOnly: true },
    'public.mark': { scope: 'campus', policy: 'inbox' },
  },
};

interface Case {
  /** What happens on campus while the cable is cut, and then in the cloud. */
  campus: string[];
  cloud: string[];
  /** The entry that both sides hold afterwards. */
  entry: Record<string, unknown>;
  /** A row on both sides afterwards. */
  stands: [sql: string, row: object | undefined];
}

const house = (id: number, columns = 'name, rent, owner') => `SELECT ${columns} FROM house WHERE id = ${id}`;

const cases: Record<(typeof conflictKinds)[number], Case> = {
  insert_exists: {
    campus: [`INSERT INTO house VALUES (30, 'mvan', 'thirty', 7, 'Abena', 'marie')`],
    cloud: [`INSERT INTO house VALUES (30, 'mvan', 'thirty', 8, 'Biya', 'claude')`],
    entry: {
      before: null,
      campus_value: { rent: '7', owner: 'Abena' },
      cloud_value: { rent: '8', owner: 'Biya' },
      result: { rent: '8', owner: 'Biya' },
      rule: { rent: 'cloud', owner: 'inbox' },
      status: 'open',
      campus_by: 'marie',
      cloud_by: 'claude',
    },
    stands: [house(30), { name: 'thirty', rent: '8', owner: 'Biya' }],
  },
  update_differs: {
    campus: [`UPDATE house SET owner = 'Abena', by = 'marie' WHERE id = 1`],
    cloud: [`UPDATE house SET owner = 'Biya', by = 'claude' WHERE id = 1`],
    entry: {
      before: { owner: 'nobody' },
      campus_value: { owner: 'Abena' },
      cloud_value: { owner: 'Biya' },
      result: { owner: 'Biya' },
      rule: { owner: 'inbox' },
      status: 'open',
      campus_by: 'marie',
      cloud_by: 'claude',
    },
    stands: [house(1), { name: 'h1', rent: '10', owner: 'Biya' }],
  },
  update_missing: {
    campus: [`UPDATE mark SET value = 17 WHERE id = 1`],
    cloud: [`DELETE FROM mark WHERE id = 1`],
    entry: {
      before: { value: '12' },
      campus_value: { value: '17' },
      cloud_value: null,
      result: null,
      rule: { '*': 'inbox' },
      status: 'open',
    },
    stands: ['SELECT value FROM mark WHERE id = 1', undefined],
  },
  delete_differs: {
    campus: [`DELETE FROM mark WHERE id = 2`],
    cloud: [`UPDATE mark SET value = 18 WHERE id = 2`],
    entry: {
      before: { id: '2', campus: 'mvan', value: '13' },
      campus_value: null,
      cloud_value: { id: '2', campus: 'mvan', value: '18' },
      result: { id: '2', campus: 'mvan', value: '18' },
      rule: { '*': 'inbox' },
      status: 'open',
    },
    stands: ['SELECT value FROM mark WHERE id = 2', { value: '18' }],
  },
  delete_missing: {
    campus: [`DELETE FROM mark WHERE id = 3`],
    cloud: [`DELETE FROM mark WHERE id = 3`],
    entry: {
      before: { id: '3', campus: 'mvan', value: '14' },
      campus_value: null,
      cloud_value: null,
      result: null,
      rule: { '*': 'inbox' },
      status: 'settled',
    },
    stands: ['SELECT value FROM mark WHERE id = 3', undefined],
  },
  delete_referenced: {
    campus: [`DELETE FROM house WHERE id = 2`],
    cloud: [`INSERT INTO visit VALUES (1, 'mvan', 2, 'still lived in')`],
    entry: {
      before: { id: '2', campus: 'mvan', name: 'h2', rent: '10', owner: 'nobody', by: 'seed' },
      campus_value: null,
      cloud_value: { id: '2', campus: 'mvan', name: 'h2', rent: '10', owner: 'nobody', by: 'seed' },
      rule: { '*': 'inbox' },
      status: 'open',
    },
    stands: [house(2, 'name'), { name: 'h2' }],
  },
  unique_clash: {
    campus: [`INSERT INTO house VALUES (31, 'mvan', 'the same', 1, 'x', 'marie')`],
    cloud: [`INSERT INTO house VALUES (32, 'mvan', 'the same', 1, 'x', 'claude')`],
    entry: {
      before: null,
      campus_value: { id: '31', campus: 'mvan', name: 'the same', rent: '1', owner: 'x', by: 'marie' },
      cloud_value: null,
      result: null,
      rule: { '*': 'inbox' },
      status: 'open',
      campus_by: 'marie',
    },
    stands: [house(31), undefined],
  },
  parent_missing: {
    campus: [`INSERT INTO visit VALUES (2, 'mvan', 3, 'of a house that went')`],
    cloud: [`DELETE FROM house WHERE id = 3`],
    entry: {
      before: null,
      campus_value: { id: '2', campus: 'mvan', house_id: '3', note: 'of a house that went' },
      cloud_value: null,
      result: null,
      status: 'open',
    },
    stands: ['SELECT note FROM visit WHERE id = 2', undefined],
  },
  check_violated: {
    campus: [`UPDATE house SET rent = -5 WHERE id = 4`],
    cloud: [`ALTER TABLE house ADD CONSTRAINT rent_is_paid CHECK (rent >= 0)`],
    entry: {
      before: { rent: '10' },
      campus_value: { rent: '-5' },
      cloud_value: { id: '4', campus: 'mvan', name: 'h4', rent: '10', owner: 'nobody', by: 'seed' },
      status: 'open',
    },
    stands: [house(4, 'rent'), { rent: '10' }],
  },
  column_unknown: {
    campus: [
      `ALTER TABLE visit ADD COLUMN mood text`,
      `INSERT INTO visit VALUES (3, 'mvan', 5, 'n', 'merry')`,
    ],
    cloud: [],
    entry: {
      before: null,
      campus_value: { id: '3', campus: 'mvan', house_id: '5', note: 'n', mood: 'merry' },
      status: 'open',
    },
    stands: ['SELECT note FROM visit WHERE id = 3', undefined],
  },
  out_of_scope: {
    campus: [`INSERT INTO house VALUES (33, 'bonaberi', 'not mine', 1, 'x', 'marie')`],
    cloud: [],
    entry: {
      before: null,
      campus_value: { id: '33', campus: 'bonaberi', name: 'not mine', rent: '1', owner: 'x', by: 'marie' },
      status: 'open',
    },
    stands: [house(33), undefined],
  },
  forbidden: {
    campus: [`UPDATE fee SET amount = 1 WHERE id = 1`],
    cloud: [],
    entry: {
      before: { amount: '5000' },
      campus_value: { amount: '1' },
      cloud_value: { id: '1', campus: 'mvan', amount: '5000' },
      result: { id: '1', campus: 'mvan', amount: '5000' },
      rule: { '*': 'inbox' },
      status: 'open',
    },
    stands: ['SELECT amount FROM fee WHERE id = 1', { amount: '5000' }],
  },
};

let chain: Chain;
const rows = async (side: 'cloud' | 'campus', sql: string) => (await chain[side].query(sql)).rows;
const entries = (side: 'cloud' | 'campus', kind: string) =>
  rows(side, `SELECT * FROM sync.conflict WHERE kind = '${kind}' ORDER BY id`);

describe('a conflict of the kind', () => {
  beforeAll(async () => {
    chain = await startChain({ schema, seed, syncMap, campus: 'mvan' });
    await chain.connect();
    await chain.settled();
    await chain.disconnect();
    for (const { campus, cloud } of Object.values(cases)) {
      for (const sql of campus) await chain.campus.query(sql);
      for (const sql of cloud) await chain.cloud.query(sql);
    }
    await chain.connect();
    await chain.settled();
  });

  afterAll(async () => {
    await chain?.[Symbol.asyncDispose]();
  });

  test.each(conflictKinds)(
    '%s is settled as PROTOCOL.md says, and both sides hold the same entry',
    async (kind) => {
      const { entry, stands } = cases[kind];
      await until(async () => (await entries('campus', kind)).length === 1);
      const [here] = await entries('campus', kind);
      expect(await entries('cloud', kind)).toEqual([here]);
      const parsed = Object.fromEntries(
        Object.entries(here).map(([column, value]) => [
          column,
          ['before', 'campus_value', 'cloud_value', 'result', 'rule'].includes(column) &&
          typeof value === 'string'
            ? JSON.parse(value)
            : value,
        ]),
      );
      expect(parsed).toMatchObject({ kind, campus: 'mvan', ...entry });
      expect(here.campus_at).toMatch(/^\d{4}-/);
      expect(here.campus_by).not.toBeNull();
      const [sql, row] = stands;
      expect(await rows('cloud', sql)).toEqual(row ? [row] : []);
      expect(await rows('campus', sql)).toEqual(row ? [row] : []);
    },
  );

  test('that is parked keeps the whole transaction, on campus too', async () => {
    const parked = await rows(
      'campus',
      `SELECT kind, parked FROM sync.conflict WHERE parked IS NOT NULL ORDER BY kind`,
    );
    expect(parked.map(({ kind }) => kind)).toEqual([
      'check_violated',
      'column_unknown',
      'delete_referenced',
      'forbidden',
      'out_of_scope',
      'parent_missing',
      'unique_clash',
    ]);
    for (const entry of parked) expect(JSON.parse(entry.parked)[0].table).toMatch(/^public\./);
  });

  test('column_unknown goes through when the cloud learns the column', async () => {
    await chain.cloud.query('ALTER TABLE visit ADD COLUMN mood text');
    await until(async () => (await rows('campus', `SELECT FROM visit WHERE mood = 'merry'`)).length === 1);
    expect(await rows('cloud', 'SELECT mood FROM visit WHERE id = 3')).toEqual([{ mood: 'merry' }]);
  });
});

test('the kinds of PROTOCOL.md are the twelve of the code', () => {
  const manual = readFileSync(new URL('../../packages/sync-protocol/PROTOCOL.md', import.meta.url), 'utf8');
  const conflicts = manual.slice(
    manual.indexOf('### Kinds that are merged'),
    manual.indexOf('## Messages in the WAL'),
  );
  const named = [...conflicts.matchAll(/^\| `([a-z]+_[a-z]+|forbidden|out_of_scope)` +\|/gm)].map(
    (match) => match[1],
  );
  expect(named.sort()).toEqual([...conflictKinds].sort());
});
