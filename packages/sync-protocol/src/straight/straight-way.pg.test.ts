import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { toBlock } from '../block/block.ts';
import { readCatalog } from '../postgres/apply/catalog.ts';
import { postgresRows } from '../postgres/apply/row-store.ts';
import { prepareSite } from '../postgres/prepare/prepare.ts';
import { sessionConfig } from '../postgres/session.ts';
import { parseSyncMap } from '../sync-map/sync-map.ts';
import type { Change } from '../transaction/transaction.ts';
import { type StraightOptions, StraightWay } from './straight-way.ts';

const scoped = { scope: 'campus', policy: 'newest' } as const;
const syncMap = parseSyncMap({
  version: 1,
  database: 'd',
  tables: {
    'public.klass': { scope: null, policy: 'cloud' },
    'public.pupil': { ...scoped, readOnlyColumns: ['matricule'] },
    'public.mark': scoped,
    'public.ledger': { scope: 'campus', policy: 'inbox', appendOnly: true },
    'public.notice': { scope: null, policy: 'cloud', direction: 'down' },
  },
});
const schema = `
  CREATE TABLE klass (id text PRIMARY KEY, name text);
  CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, klass_id text REFERENCES klass, matricule text,
                      name text, fees numeric, facts jsonb, seen timestamptz, tags text[], code text UNIQUE);
  CREATE TABLE mark (pupil_id text REFERENCES pupil, subject text, campus text NOT NULL, value int CHECK (value <= 20),
                     PRIMARY KEY (pupil_id, subject));
  CREATE TABLE ledger (id text PRIMARY KEY, campus text NOT NULL, amount int);
  CREATE TABLE notice (id text PRIMARY KEY, body text);`;
const rows = `
  INSERT INTO klass VALUES ('6A', 'Sixième A');
  INSERT INTO pupil VALUES
    ('p1', 'mvan', '6A', 'M1', 'Ngo', 7500.50, '{"a": 1}', '2026-11-23 08:00+00', '{x,y}', 'c1'),
    ('p2', 'mvan', NULL, 'M2', NULL, NULL, NULL, NULL, NULL, 'c2'),
    ('p9', 'bafia', NULL, 'M9', 'Abe', 1, NULL, NULL, NULL, 'c9');
  INSERT INTO mark VALUES ('p1', 'MATH', 'mvan', 12), ('p9', 'MATH', 'bafia', 9);`;

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createDatabase('straight_way');
  client = new Client({
    ...sessionConfig(database.url, { applicationName: 'straight way' }),
    pipeline: true,
  });
  await client.connect();
  await client.query(schema);
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  await client.query(rows);
  await client.query("SET session_replication_role = 'replica'");
});
afterAll(async () => {
  await client.end();
  await database.drop();
});
beforeEach(() => client.query('BEGIN'));
afterEach(() => client.query('ROLLBACK'));

/** @returns whether it went straight; null when it was not even tried. */
function write(campus: string | null, changes: Change[], options?: StraightOptions): Promise<boolean | null> {
  return writeBlocks(campus, [changes], options);
}

async function writeBlocks(
  campus: string | null,
  blocks: Change[][],
  options?: StraightOptions,
): Promise<boolean | null> {
  const catalog = await readCatalog(client, syncMap);
  const way = new StraightWay({ catalog, rows: postgresRows(client, catalog), campus });
  const plans = blocks.map((changes, index) =>
    way.plan(toBlock([{ seq: index + 1, committedAt: 1, changes }])),
  );
  let asked = 0;
  if (!plans.every((plan) => plan !== null)) return null;
  const applied = await way.apply(plans, { meanwhile: () => asked++, ...options });
  expect(asked).toBe(1);
  return applied;
}

const straight = (...changes: Change[]) => write('mvan', changes);

async function pupils(): Promise<string[]> {
  const found = await client.query('SELECT id, name FROM pupil ORDER BY id');
  return found.rows.map(({ id, name }) => `${id} ${name}`);
}

const pupil = (op: Change['op'], id: string, before: Change['before'], after: Change['after']): Change => ({
  table: 'public.pupil',
  key: { id },
  op,
  before,
  after,
});
const added = (id: string, more: object = {}) =>
  pupil('insert', id, null, { id, campus: 'mvan', name: 'Eto', code: id, ...more });
const renamed = (id: string, from: string | null, to: string | null) =>
  pupil('update', id, { name: from }, { name: to });
const marked = (pupilId: string, value: string): Change => {
  const key = { pupil_id: pupilId, subject: 'PCT' };
  return { table: 'public.mark', key, op: 'insert', before: null, after: { ...key, campus: 'mvan', value } };
};
const unchanged = ['p1 Ngo', 'p2 null', 'p9 Abe'];

describe('a block goes straight when', () => {
  it('every row stands as the campus saw it, NULL too', async () => {
    expect(await straight(added('p3'), renamed('p1', 'Ngo', 'Ngo Bassé'), renamed('p2', null, 'Ada'))).toBe(
      true,
    );
    expect(await pupils()).toEqual(['p1 Ngo Bassé', 'p2 Ada', 'p3 Eto', 'p9 Abe']);
  });

  it('it changes a row several times, in their order', async () => {
    const gone = pupil('delete', 'p3', { id: 'p3', campus: 'mvan', name: 'b' }, null);
    const again = added('p3', { name: 'c' });
    expect(await straight(added('p3', { name: 'a' }), renamed('p3', 'a', 'b'), gone, again)).toBe(true);
    expect(await pupils()).toContain('p3 c');
  });

  it('what it saw is of a type whose equal values may be written in several ways', async () => {
    const before = { fees: '7500.50', facts: '{"a": 1}', seen: '2026-11-23 08:00:00+00', tags: '{x,y}' };
    const after = { fees: '7500.5', facts: '{"a": 2}', seen: '2026-11-23 09:00:00+00', tags: '{y}' };
    expect(await straight(pupil('update', 'p1', before, after))).toBe(true);
    expect(await straight(pupil('update', 'p1', { fees: '7500.50' }, { fees: '1' }))).toBe(false);
    expect(await straight(pupil('update', 'p1', { fees: '7500.5' }, { fees: '1' }))).toBe(true);
  });

  it('a parent comes with its children, or stands already', async () => {
    expect(await straight(marked('p3', '15'), added('p3', { klass_id: '6A' }), marked('p2', '10'))).toBe(
      true,
    );
  });

  it('a child goes before its parent', async () => {
    const before = { pupil_id: 'p1', subject: 'MATH', campus: 'mvan', value: '12' };
    const key = { pupil_id: 'p1', subject: 'MATH' };
    const child: Change = { table: 'public.mark', key, op: 'delete', before, after: null };
    expect(await straight(child, pupil('delete', 'p1', { id: 'p1', name: 'Ngo' }, null))).toBe(true);
    expect(await pupils()).toEqual(['p2 null', 'p9 Abe']);
  });
});

describe('nothing of a block is written when', () => {
  it.each<[string, Change]>([
    ['a row holds something else', renamed('p2', 'Ada', 'Eve')],
    ['a row is not there', renamed('p7', 'Ada', 'Eve')],
    ['a key is taken', added('p2')],
    ['another unique value is taken', added('p5', { code: 'c1' })],
    ['a check does not hold', marked('p1', '21')],
    ['a row belongs to another campus', renamed('p9', 'Abe', 'Abel')],
    ['a parent is not there', added('p5', { klass_id: '9Z' })],
    ['a parent belongs to another campus', marked('p9', '10')],
    ['a row that others refer to is deleted', pupil('delete', 'p1', { id: 'p1', name: 'Ngo' }, null)],
    ['a row that is deleted holds something else', pupil('delete', 'p2', { id: 'p2', name: 'Ada' }, null)],
    ['a value does not fit its type', marked('p1', 'twelve')],
  ])('%s', async (_case, change) => {
    expect(await straight(renamed('p1', 'Ngo', 'Ngo Bassé'), change)).toBe(false);
    expect(await pupils()).toEqual(unchanged);
  });
});

describe('of several blocks', () => {
  it('a later one finds the rows as the earlier one left them, and may refer to them', async () => {
    const blocks = [
      [added('p3')],
      [renamed('p3', 'Eto', 'Ada')],
      [marked('p3', '11'), renamed('p3', 'Ada', 'Eve')],
    ];
    expect(await writeBlocks('mvan', blocks)).toBe(true);
    expect(await pupils()).toContain('p3 Eve');
  });

  it('nothing is written when one cannot be, and a statement behind the one that failed does not hide why', async () => {
    const many = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => [added(id)]);
    expect(await writeBlocks('mvan', [[renamed('p1', 'Ngo', 'Eto')], [added('p2')], ...many])).toBe(false);
    expect(await writeBlocks('mvan', [...many, [renamed('p2', 'Ada', 'Eve')]])).toBe(false);
    expect(await writeBlocks('mvan', [...many, [marked('p7', '3')]])).toBe(false);
    expect(await pupils()).toEqual(unchanged);
  });
});

describe('it is not even tried for a change that', () => {
  it.each<[string, Change]>([
    ['is of a table that is not synced', { ...added('x'), table: 'public.other' }],
    [
      'is of a table that only comes down',
      { ...added('x'), table: 'public.notice', after: { id: 'x', body: 'y' } },
    ],
    ['names a column that is not there', pupil('update', 'p1', { nick: 'a' }, { nick: 'b' })],
    ['writes a column that is read-only', pupil('update', 'p1', { matricule: 'M1' }, { matricule: 'M2' })],
    ['gives a row to another campus', pupil('update', 'p1', { campus: 'mvan' }, { campus: 'bafia' })],
    ['adds a row for another campus', added('x', { campus: 'bafia' })],
    ['names one row and holds another', pupil('insert', 'x', null, { id: 'y', campus: 'mvan' })],
    [
      'changes a row that may only be added',
      {
        table: 'public.ledger',
        key: { id: '1' },
        op: 'update',
        before: { amount: '1' },
        after: { amount: '2' },
      },
    ],
    ['does not say what it saw', pupil('update', 'p1', {}, { name: 'Eve' })],
  ])('%s', async (_case, change) => {
    expect(await straight(change)).toBeNull();
  });
});

describe('what the authority wrote', () => {
  it('goes straight whatever a campus may', async () => {
    const moved = pupil(
      'update',
      'p2',
      { campus: 'mvan', matricule: 'M2' },
      { campus: 'bafia', matricule: 'M8' },
    );
    const notice = { id: 'x', body: 'y' };
    const told: Change = {
      table: 'public.notice',
      key: { id: 'x' },
      op: 'insert',
      before: null,
      after: notice,
    };
    expect(await write(null, [moved, told, marked('p9', '7')])).toBe(true);
    expect(await write(null, [pupil('update', 'p1', { klass_id: '6A' }, { klass_id: '9Z' })])).toBe(false);
  });

  it('is undone when it may not stay, once everything is written', async () => {
    expect(await write(null, [renamed('p1', 'Ngo', 'Eto')], { holds: async () => false })).toBe(false);
    expect(await pupils()).toEqual(unchanged);
  });
});
