import { describe, expect, test } from 'vitest';
import { until } from '../support/chain.ts';
import { connectedChain } from '../support/connected-chain.ts';

const schema = `
  CREATE TABLE pupil (id int PRIMARY KEY, campus text NOT NULL, name text);
  CREATE TABLE note (id int PRIMARY KEY, pupil_id int NOT NULL REFERENCES pupil, body text);
  CREATE TABLE line (id int PRIMARY KEY, note_id int NOT NULL REFERENCES note, body text);`;

const seed = `
  INSERT INTO pupil VALUES (1, 'mvan', 'Abena'), (2, 'mvan', 'Biya'), (11, 'bonaberi', 'Ekwalla'), (12, 'bonaberi', 'Moukoko');
  INSERT INTO note VALUES (1, 1, 'a'), (2, 2, 'b'), (11, 11, 'c'), (12, 12, 'd');
  INSERT INTO line VALUES (1, 1, 'a1'), (11, 11, 'c1'), (12, 12, 'd1');`;

const syncMap = {
  version: 1,
  database: 'notes',
  tables: {
    'public.pupil': { scope: 'campus', policy: 'newest' },
    'public.note': { scope: { through: 'pupil_id' }, policy: 'newest' },
    'public.line': { scope: { through: 'note_id' }, policy: 'newest' },
  },
};

const its = connectedChain({ schema, seed, syncMap });
const { rows } = its;

const own = {
  pupil: `SELECT * FROM pupil WHERE campus = 'mvan' ORDER BY id`,
  note: `SELECT n.* FROM note n JOIN pupil p ON p.id = pupil_id WHERE campus = 'mvan' ORDER BY id`,
  line: `SELECT l.* FROM line l JOIN note n ON n.id = note_id JOIN pupil p ON p.id = pupil_id WHERE campus = 'mvan' ORDER BY id`,
};

async function campusHoldsItsOwn() {
  const cloud = async () => Promise.all(Object.values(own).map((sql) => rows('cloud', sql)));
  const campus = async () =>
    Promise.all(Object.keys(own).map((table) => rows('campus', `SELECT * FROM ${table} ORDER BY id`)));
  await until(async () => {
    await its.chain.settled();
    return JSON.stringify(await campus()) === JSON.stringify(await cloud());
  }, 10_000).catch(() => {});
  expect(await campus()).toEqual(await cloud());
}

describe('a table without a scope column, whose rows belong to the campus of their parent', () => {
  test('is copied as far as its rows are this campus’s', async () => {
    expect(await rows('campus', 'SELECT id FROM line')).toEqual([{ id: '1' }]);
    await campusHoldsItsOwn();
  });

  test('travels both ways, and another campus’s rows do not', async () => {
    await its.chain.campus.query(
      `INSERT INTO note VALUES (3, 1, 'from campus'); INSERT INTO line VALUES (3, 3, 'with its line')`,
    );
    await its.chain.cloud.query(`INSERT INTO line VALUES (4, 2, 'from the cloud'), (14, 12, 'not yours')`);
    await its.chain.cloud.query(`UPDATE line SET body = body || '!' WHERE id IN (1, 11)`);
    await campusHoldsItsOwn();
    expect(await rows('cloud', 'SELECT body FROM line WHERE id = 3')).toEqual([{ body: 'with its line' }]);
  });

  test('is not written by a campus for another campus’s parent', async () => {
    await its.chain.campus.query(
      `SET session_replication_role = replica; INSERT INTO note VALUES (66, 11, 'forged'); SET session_replication_role = DEFAULT`,
    );
    await until(
      async () => (await rows('cloud', `SELECT FROM sync.conflict WHERE kind = 'out_of_scope'`)).length === 1,
    );
    expect(await rows('cloud', 'SELECT FROM note WHERE id = 66')).toEqual([]);
    // Otherwise it would go through as soon as the parent comes to this campus.
    await its.chain.cloud.query(
      `UPDATE sync.conflict SET status = 'decided', decided_at = now(), decided_by = 'a test', decision = '{"action":"drop"}'
       WHERE kind = 'out_of_scope'`,
    );
    await until(async () => (await rows('cloud', 'SELECT FROM sync.parked')).length === 0);
    await campusHoldsItsOwn();
  });

  test('comes and goes with the parent when it moves from one campus to another', async () => {
    await its.chain.cloud.query(`UPDATE pupil SET campus = 'mvan' WHERE id = 11`);
    await campusHoldsItsOwn();
    expect(await rows('campus', 'SELECT body FROM line WHERE id = 11')).toEqual([{ body: 'c1!' }]);
    await its.chain.cloud.query(`UPDATE pupil SET campus = 'bonaberi' WHERE id = 1`);
    await campusHoldsItsOwn();
    expect(await rows('campus', 'SELECT FROM line WHERE id = 1')).toEqual([]);
    await its.chain.cloud.query(`UPDATE note SET pupil_id = 12 WHERE id = 2`);
    await campusHoldsItsOwn();
    expect(await rows('campus', 'SELECT FROM line WHERE id = 4')).toEqual([]);
  });

  test('is deleted with its parents, in one transaction or in several', async () => {
    await its.chain.cloud.query(
      `BEGIN; DELETE FROM line WHERE id = 11; DELETE FROM note WHERE id = 11; DELETE FROM pupil WHERE id = 11; COMMIT`,
    );
    await campusHoldsItsOwn();
    await its.chain.campus.query(`INSERT INTO note VALUES (5, 2, 'x'); INSERT INTO line VALUES (5, 5, 'y')`);
    await its.chain.settled();
    for (const sql of [
      'DELETE FROM line WHERE id = 5',
      'DELETE FROM note WHERE id = 5',
      'DELETE FROM pupil WHERE id = 2',
    ])
      await its.chain.cloud.query(sql);
    await campusHoldsItsOwn();
    expect(await rows('campus', 'SELECT id FROM pupil')).toEqual([]);
  });
});
