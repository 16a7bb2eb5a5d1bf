/** A case of each of the twelve kinds of conflict, over a small database: both sides write while the cable is cut. */
import type { conflictKinds } from '@skooly-edge/sync-protocol';

export const schema = `
  CREATE TABLE house (id int PRIMARY KEY, campus text NOT NULL, name text UNIQUE, rent int, owner text, by text);
  CREATE TABLE visit (id int PRIMARY KEY, campus text NOT NULL, house_id int REFERENCES house, note text);
  CREATE TABLE fee (id int PRIMARY KEY, campus text NOT NULL, amount int);
  CREATE TABLE mark (id int PRIMARY KEY, campus text NOT NULL, value int);`;

export const seed = `
  INSERT INTO house SELECT n, 'mvan', 'h' || n, 10, 'nobody', 'seed' FROM generate_series(1, 20) n;
  INSERT INTO fee VALUES (1, 'mvan', 5000);
  INSERT INTO mark VALUES (1, 'mvan', 12), (2, 'mvan', 13), (3, 'mvan', 14);`;

export const syncMap = {
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

export interface Case {
  /** What happens on campus while the cable is cut, and then in the cloud. */
  campus: string[];
  cloud: string[];
  /** The entry that both sides hold afterwards. */
  entry: Record<string, unknown>;
  /** A row on both sides afterwards. */
  stands: [sql: string, row: object | undefined];
}

const house = (id: number, columns = 'name, rent, owner') => `SELECT ${columns} FROM house WHERE id = ${id}`;

export const cases: Record<(typeof conflictKinds)[number], Case> = {
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

const documents = ['before', 'campus_value', 'cloud_value', 'result', 'rule'];

/** An entry as Postgres gives it as text, with its documents read. */
export function readEntry(entry: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(entry).map(([column, value]) => [
      column,
      documents.includes(column) && typeof value === 'string' ? JSON.parse(value) : value,
    ]),
  );
}
