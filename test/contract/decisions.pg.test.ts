import {
  type Decision,
  decide,
  type NewDecision,
  parseSyncMap,
  readCatalog,
  undo,
} from '@skooly-edge/sync-protocol';
import { describe, expect, test } from 'vitest';
import { until } from '../support/chain.ts';
import { connectedChain, type Side } from '../support/connected-chain.ts';

const schema = `
  CREATE TABLE class (id int PRIMARY KEY, campus text NOT NULL, name text NOT NULL UNIQUE);
  CREATE TABLE pupil (id int PRIMARY KEY, campus text NOT NULL, class_id int NOT NULL REFERENCES class ON DELETE CASCADE,
                      name text NOT NULL, mark numeric(4,2) CHECK (mark <= 20), phone text, place int,
                      written_by text NOT NULL DEFAULT 'nobody');`;

const seed = `
  INSERT INTO class VALUES (1, 'mvan', '3e A'), (2, 'mvan', '3e B'), (3, 'mvan', '3e C');
  INSERT INTO pupil SELECT n, 'mvan', 1, 'pupil ' || n, 10, '237' || n, n FROM generate_series(1, 60) n;`;

const syncMap = {
  version: 1,
  database: 'decisions',
  tables: {
    'public.class': { scope: 'campus', policy: 'inbox' },
    'public.pupil': {
      scope: 'campus',
      policy: 'inbox',
      columns: { phone: 'campus', name: 'newest' },
      readOnlyColumns: ['place'],
      by: 'written_by',
    },
  },
};

const its = connectedChain({ schema, seed, syncMap });
const { rows, apart, equal } = its;

const row = async (side: Side, sql: string) => (await rows(side, sql))[0];
const everything = async (side: Side) => [
  await rows(side, 'SELECT * FROM class ORDER BY id'),
  await rows(side, 'SELECT * FROM pupil ORDER BY id'),
  await rows(side, 'SELECT * FROM sync.conflict ORDER BY id'),
];

const bothEqual = () => equal(everything);

const catalog = (side: Side) => readCatalog(its.chain[side], parseSyncMap(syncMap));
const now = () => new Date();

async function decideAt(side: Side, ids: string[], decision: NewDecision, more: object = {}) {
  const request = { ids, decision, by: `directrice.${side}`, now: now(), ...more };
  return decide(its.chain[side], await catalog(side), request);
}

async function undoAt(side: Side, ids: string[], more: object = {}) {
  return undo(its.chain[side], await catalog(side), { ids, by: `proviseur.${side}`, now: now(), ...more });
}

const entryOn = (table: string, id: number) =>
  row('cloud', `SELECT * FROM sync.conflict WHERE table_name = '${table}' AND row_key ->> 'id' = '${id}'`);
const idOn = async (table: string, id: number): Promise<string> => (await entryOn(table, id)).id;
const pupil = (side: Side, id: number) => row(side, `SELECT * FROM pupil WHERE id = ${id}`);

/** Both sides give pupil `id` another mark. @returns the conflict */
async function clash(id: number, campus: number, cloud: number): Promise<string> {
  await apart(
    [`UPDATE pupil SET mark = ${campus}, written_by = 'prof.mvan' WHERE id = ${id}`],
    [`UPDATE pupil SET mark = ${cloud}, written_by = 'prof.cloud' WHERE id = ${id}`],
  );
  return idOn('public.pupil', id);
}

describe('a decision about values', () => {
  test('is made on campus while the cable is cut, and stands on both sides when it is back', async () => {
    const id = await clash(1, 12, 14);
    expect((await pupil('campus', 1)).mark).toBe('14.00');
    await its.chain.disconnect();
    const done = await decideAt('campus', [id], { action: 'campus' });
    expect(done).toMatchObject({
      written: true,
      entries: [
        {
          status: 'decided',
          changedSince: false,
          standing: { mark: '14.00' },
          write: { after: { mark: '12.00' } },
        },
      ],
    });
    expect(await pupil('campus', 1)).toMatchObject({ mark: '12.00', written_by: 'directrice.campus' });
    await its.chain.connect();
    await bothEqual();
    expect(await pupil('cloud', 1)).toMatchObject({ mark: '12.00', written_by: 'directrice.campus' });
    expect(await entryOn('public.pupil', 1)).toMatchObject({
      status: 'decided',
      decided_by: 'directrice.campus',
    });
  });

  test('is made in the cloud just as well, with other values than either side had', async () => {
    const id = await clash(2, 12, 14);
    await decideAt('cloud', [id], { action: 'values', values: { mark: '13' } });
    await bothEqual();
    expect((await pupil('campus', 2)).mark).toBe('13.00');
  });

  test('that keeps what stands writes the entry only', async () => {
    const id = await clash(3, 12, 14);
    const done = await decideAt('campus', [id], { action: 'cloud' });
    expect(done.entries[0]).toMatchObject({ write: null, status: 'decided' });
    await bothEqual();
    expect((await pupil('campus', 3)).written_by).toBe('prof.cloud');
  });

  test('is made about many at once, all of them or none', async () => {
    const marks = (side: number) => [4, 5, 6].map((id) => `UPDATE pupil SET mark = ${side} WHERE id = ${id}`);
    await apart(marks(11), marks(15));
    const ids: string[] = [];
    for (const pupilId of [4, 5, 6]) ids.push(await idOn('public.pupil', pupilId));
    const stranger = '00000000-0000-4000-8000-000000000000';
    const refused = await decideAt('campus', [...ids, stranger], { action: 'campus' });
    expect(refused.written).toBe(false);
    expect(refused.entries.map(({ problem }) => problem?.code ?? null)).toEqual([
      null,
      null,
      null,
      'CONFLICT_UNKNOWN',
    ]);
    expect((await pupil('campus', 4)).mark).toBe('15.00');
    const shown = await decideAt('campus', ids, { action: 'campus' }, { dryRun: true });
    expect(shown).toMatchObject({ written: false });
    expect(shown.entries.every(({ write }) => write?.after?.mark === '11.00')).toBe(true);
    expect((await pupil('campus', 4)).mark).toBe('15.00');
    expect((await decideAt('campus', ids, { action: 'campus' })).written).toBe(true);
    await bothEqual();
    expect(await rows('cloud', 'SELECT DISTINCT mark FROM pupil WHERE id IN (4, 5, 6)')).toEqual([
      { mark: '11.00' },
    ]);
  });

  test('can be made about a conflict that a policy settled: the loser is restored', async () => {
    await apart([`UPDATE pupil SET phone = '1' WHERE id = 7`], [`UPDATE pupil SET phone = '2' WHERE id = 7`]);
    const id = await idOn('public.pupil', 7);
    expect((await pupil('cloud', 7)).phone).toBe('1');
    await decideAt('campus', [id], { action: 'cloud' });
    await bothEqual();
    expect((await pupil('cloud', 7)).phone).toBe('2');
    await undoAt('cloud', [id]);
    await bothEqual();
    expect(await entryOn('public.pupil', 7)).toMatchObject({ status: 'settled', decided_by: null });
    expect((await pupil('campus', 7)).phone).toBe('1');
  });

  test('is refused by what the database itself does not take, or the campus may not write, with the reason', async () => {
    const id = await clash(8, 12, 14);
    const code = async (side: Side, values: Record<string, string>) =>
      (await decideAt(side, [id], { action: 'values', values })).entries[0]?.problem?.code;
    expect(await code('campus', { mark: '21' })).toBe('DATABASE_REFUSED');
    expect(await code('campus', { mark: 'douze' })).toBe('DATABASE_REFUSED');
    expect(await code('campus', { marc: '12' })).toBe('COLUMN_UNKNOWN');
    await decideAt('campus', [id], { action: 'cloud' });
    expect(await code('campus', { mark: '12' })).toBe('ALREADY_DECIDED');
    await apart([`UPDATE pupil SET mark = 5 WHERE id = 9`], [`UPDATE pupil SET mark = 6 WHERE id = 9`]);
    // Somebody forged an entry about a column that comes down only.
    await its.chain.campus.query(`UPDATE sync.conflict SET campus_value = '{"place": "1"}', result = '{"place": "9"}'
                              WHERE row_key ->> 'id' = '9'`);
    const forbidden = await decideAt('campus', [await idOn('public.pupil', 9)], { action: 'campus' });
    expect(forbidden.entries[0]?.problem).toMatchObject({ code: 'FORBIDDEN_HERE', status: 403 });
    await bothEqual();
  });

  test('about a row that has changed since says what stands now', async () => {
    const id = await clash(10, 12, 14);
    await its.chain.cloud.query('UPDATE pupil SET mark = 16 WHERE id = 10');
    await bothEqual();
    const done = await decideAt('campus', [id], { action: 'campus' });
    expect(done).toMatchObject({
      written: true,
      entries: [{ changedSince: true, standing: { mark: '16.00' } }],
    });
    await bothEqual();
  });
});

describe('a decision about a row’s existence', () => {
  test('brings back a row that the cloud had deleted, whole', async () => {
    await apart([`UPDATE pupil SET mark = 19 WHERE id = 20`], ['DELETE FROM pupil WHERE id = 20']);
    const id = await idOn('public.pupil', 20);
    expect(await pupil('campus', 20)).toBeUndefined();
    await decideAt('campus', [id], { action: 'campus' });
    await bothEqual();
    expect(await pupil('cloud', 20)).toMatchObject({ name: 'pupil 20', mark: '19.00', place: '20' });
    await undoAt('campus', [id]);
    await bothEqual();
    expect(await pupil('cloud', 20)).toBeUndefined();
  });

  test('that the cloud cannot apply is parked whole, and the entry is open until it goes through', async () => {
    await apart(
      [`UPDATE pupil SET mark = 3, class_id = 2 WHERE id = 24`],
      ['DELETE FROM pupil WHERE id = 24'],
    );
    const id = await idOn('public.pupil', 24);
    await its.chain.disconnect();
    await decideAt('campus', [id], { action: 'campus' });
    await its.chain.cloud.query('DELETE FROM class WHERE id = 2');
    await its.chain.connect();
    await bothEqual();
    const statusOf = async () =>
      (await row('campus', `SELECT status FROM sync.conflict WHERE id = '${id}'`)).status;
    expect(await statusOf()).toBe('open');
    expect(
      await row('campus', `SELECT kind FROM sync.conflict WHERE parked IS NOT NULL AND status = 'open'`),
    ).toEqual({
      kind: 'parent_missing',
    });
    expect(await pupil('campus', 24)).toBeUndefined();
    await its.chain.cloud.query(`INSERT INTO class VALUES (2, 'mvan', '3e B')`);
    await until(async () => (await pupil('cloud', 24)) !== undefined);
    await bothEqual();
    expect(await statusOf()).toBe('decided');
  });

  test('deletes after all what the campus had deleted and the cloud changed, and the undo brings it back', async () => {
    await apart(['DELETE FROM pupil WHERE id = 21'], ['UPDATE pupil SET mark = 18 WHERE id = 21']);
    const id = await idOn('public.pupil', 21);
    const before = await pupil('campus', 21);
    expect(before.mark).toBe('18.00');
    await decideAt('cloud', [id], { action: 'campus' });
    await bothEqual();
    expect(await pupil('campus', 21)).toBeUndefined();
    await undoAt('campus', [id]);
    await bothEqual();
    expect(await pupil('cloud', 21)).toEqual(before);
  });

  test('does not delete what other rows refer to, although the schema would cascade', async () => {
    await apart(['DELETE FROM class WHERE id = 3'], [`UPDATE class SET name = '3e D' WHERE id = 3`]);
    const id = await idOn('public.class', 3);
    await its.chain.cloud.query('UPDATE pupil SET class_id = 3 WHERE id = 22');
    await bothEqual();
    const refused = await decideAt('campus', [id], { action: 'campus' });
    expect(refused.entries[0]?.problem).toMatchObject({ code: 'ROW_REFERENCED' });
    await decideAt('campus', [id], { action: 'cloud' });
    await bothEqual();
  });

  test('has nothing to say where both sides deleted the row', async () => {
    await apart(['DELETE FROM pupil WHERE id = 23'], ['DELETE FROM pupil WHERE id = 23']);
    const refused = await decideAt('campus', [await idOn('public.pupil', 23)], { action: 'cloud' });
    expect(refused.entries[0]?.problem?.code).toBe('DELETED_TWICE');
  });
});

describe('an undo', () => {
  test('brings the values back, opens the entry, and keeps the decision in its history', async () => {
    const id = await clash(30, 12, 14);
    await decideAt('campus', [id], { action: 'campus' });
    await bothEqual();
    await undoAt('cloud', [id]);
    await bothEqual();
    expect((await pupil('campus', 30)).mark).toBe('14.00');
    const { status, decided_by, decision } = await entryOn('public.pupil', 30);
    expect({ status, decided_by }).toEqual({ status: 'open', decided_by: null });
    expect(JSON.parse(decision).history).toMatchObject([
      {
        decision: { action: 'campus', site: 'mvan' },
        decidedBy: 'directrice.campus',
        ended: 'undone',
        endedBy: 'proviseur.cloud',
      },
    ]);
    expect((await decideAt('campus', [id], { action: 'values', values: { mark: '15' } })).written).toBe(true);
    await bothEqual();
  });

  test('names who has changed the row since, and overwrites that only when forced', async () => {
    const id = await clash(31, 12, 14);
    await decideAt('campus', [id], { action: 'campus' });
    await its.chain.campus.query(`UPDATE pupil SET mark = 17, written_by = 'prof.mvan' WHERE id = 31`);
    const refused = await undoAt('campus', [id]);
    expect(refused.entries[0]?.problem).toMatchObject({ code: 'CHANGED_SINCE' });
    expect(refused.entries[0]?.problem?.message).toContain(
      'prof.mvan has changed mark since: {"mark":"17.00"}',
    );
    expect((await undoAt('campus', [id], { force: true })).written).toBe(true);
    await bothEqual();
    expect((await pupil('cloud', 31)).mark).toBe('14.00');
  });

  test('is possible for 30 days', async () => {
    const id = await clash(32, 12, 14);
    await decideAt('campus', [id], { action: 'campus' });
    const day = (n: number) => ({ now: new Date(Date.now() + n * 86_400_000), dryRun: true });
    expect((await undoAt('campus', [id], day(29))).entries[0]?.problem).toBeNull();
    expect((await undoAt('campus', [id], day(31))).entries[0]?.problem?.code).toBe('UNDO_TOO_LATE');
    const open = await clash(33, 12, 14);
    expect((await undoAt('campus', [open])).entries[0]?.problem?.code).toBe('NOT_DECIDED');
    await bothEqual();
  });
});

describe('two people who decide the same conflict on both sides', () => {
  test('both stay visible: the later record stands, and what they wrote to the row is a conflict of its own', async () => {
    const id = await clash(40, 12, 14);
    await bothEqual();
    await its.chain.disconnect();
    await decideAt('cloud', [id], { action: 'values', values: { mark: '15' } });
    await decideAt('campus', [id], { action: 'campus' });
    await its.chain.connect();
    await bothEqual();
    // Marks are never settled silently: the cloud's stands, and a person is asked again.
    expect((await pupil('campus', 40)).mark).toBe('15.00');
    const about = await rows(
      'campus',
      `SELECT table_name, kind, status, campus_value, cloud_value FROM sync.conflict
       WHERE id <> '${id}' AND (row_key ->> 'id' IN ('40', '${id}')) ORDER BY table_name`,
    );
    expect(about).toMatchObject([
      { table_name: 'public.pupil', kind: 'update_differs', status: 'open' },
      { table_name: 'sync.conflict', kind: 'update_differs', status: 'settled' },
    ]);
    const actions = [about[1].campus_value, about[1].cloud_value].map(
      (value) => (JSON.parse(JSON.parse(value).decision) as Decision).action,
    );
    expect(actions).toEqual(['campus', 'values']);
    expect(await row('cloud', `SELECT status, decided_by FROM sync.conflict WHERE id = '${id}'`)).toEqual({
      status: 'decided',
      decided_by: 'directrice.campus',
    });
    const twin = await row('cloud', `SELECT id FROM sync.conflict WHERE table_name = 'sync.conflict'`);
    const refused = await decideAt('campus', [twin.id], { action: 'cloud' });
    expect(refused.entries[0]?.problem).toMatchObject({ code: 'ABOUT_A_DECISION', params: { id } });
  });

  test('with nobody knowing who was later: whoever decides again answers that entry as well', async () => {
    const id = await clash(42, 12, 14);
    await decideAt('cloud', [id], { action: 'values', values: { mark: '15' } });
    await bothEqual();
    await its.chain.cloud.query(
      `INSERT INTO sync.conflict (id, campus, kind, table_name, row_key, campus_value, cloud_value, result, rule, status,
         campus_at, campus_epoch, campus_seq, created_at)
       VALUES (gen_random_uuid(), 'mvan', 'update_differs', 'sync.conflict', jsonb_build_object('id', $1::text), '{"decision": "{}"}',
         '{"decision": "{}"}', '{}', '{"decision": "newest"}', 'open', now(), 'e', 1, now())`,
      [id],
    );
    await undoAt('cloud', [id]);
    await decideAt('cloud', [id], { action: 'campus' });
    await bothEqual();
    const [twin] = await rows(
      'campus',
      `SELECT status, decided_by FROM sync.conflict WHERE table_name = 'sync.conflict' AND row_key ->> 'id' = '${id}'`,
    );
    expect(twin).toEqual({ status: 'decided', decided_by: 'directrice.cloud' });
  });

  test('alike: nothing is asked twice about the row', async () => {
    const id = await clash(41, 12, 14);
    await bothEqual();
    await its.chain.disconnect();
    await decideAt('cloud', [id], { action: 'campus' });
    await decideAt('campus', [id], { action: 'campus' });
    await its.chain.connect();
    await bothEqual();
    expect((await pupil('campus', 41)).mark).toBe('12.00');
    expect(
      await rows(
        'campus',
        `SELECT id FROM sync.conflict WHERE table_name = 'public.pupil' AND row_key ->> 'id' = '41'`,
      ),
    ).toEqual([{ id }]);
  });
});

describe('a decision about a parked transaction', () => {
  const parked = async () => Number((await row('cloud', 'SELECT count(*) FROM sync.parked')).count);
  const clashOfNames = async (id: number) => {
    await apart(
      [`INSERT INTO class VALUES (${id}, 'mvan', 'class ${id}')`],
      [`INSERT INTO class VALUES (${id + 1}, 'mvan', 'class ${id}')`],
    );
    await bothEqual();
    return idOn('public.class', id);
  };

  test('to let it go is taken back, and then it goes through with another value', async () => {
    const id = await clashOfNames(100);
    expect((await decideAt('campus', [id], { action: 'drop' })).entries[0]).toMatchObject({ inCloud: true });
    await until(async () => (await parked()) === 0);
    await bothEqual();
    expect((await undoAt('campus', [id])).entries[0]).toMatchObject({ inCloud: true, status: 'decided' });
    await until(async () => (await parked()) === 1);
    await bothEqual();
    expect(await entryOn('public.class', 100)).toMatchObject({ status: 'open', decided_by: null });
    const edit = { action: 'edit', changes: [{ index: 0, values: { name: 'class 100 bis' } }] } as const;
    await decideAt('campus', [id], { ...edit, changes: [...edit.changes] });
    await until(async () => (await parked()) === 0);
    await bothEqual();
    expect(await row('campus', 'SELECT name FROM class WHERE id = 100')).toEqual({ name: 'class 100 bis' });
    const { decision } = await entryOn('public.class', 100);
    expect(JSON.parse(decision)).toMatchObject({
      action: 'edit',
      history: [{ decision: { action: 'drop' } }],
    });
    // It has gone through: taking it back again changes no row.
    await undoAt('cloud', [id]);
    await until(async () => (await entryOn('public.class', 100)).status === 'settled');
    await bothEqual();
    expect(await row('campus', 'SELECT name FROM class WHERE id = 100')).toEqual({ name: 'class 100 bis' });
  });

  test('is taken back before the cloud has heard of it', async () => {
    const id = await clashOfNames(110);
    await its.chain.disconnect();
    await decideAt('campus', [id], { action: 'drop' });
    await undoAt('campus', [id]);
    await its.chain.connect();
    await until(async () => {
      const { status, decision } = await entryOn('public.class', 110);
      return status === 'open' && decision !== null;
    });
    expect(await parked()).toBe(1);
    await bothEqual();
    const wrong = await decideAt('campus', [id], { action: 'campus' });
    expect(wrong.entries[0]?.problem).toMatchObject({ code: 'WRONG_ACTION' });
    const unknown = { action: 'edit', changes: [{ index: 0, values: { nom: 'x' } }] } satisfies NewDecision;
    expect((await decideAt('campus', [id], unknown)).entries[0]?.problem?.code).toBe('COLUMN_UNKNOWN');
    await decideAt('campus', [id], { action: 'drop' });
    await until(async () => (await parked()) === 0);
    await bothEqual();
  });

  test('that the cloud tries in vain is in the history of the next one', async () => {
    const id = await clashOfNames(120);
    await decideAt('cloud', [id], { action: 'retry' });
    await until(async () => (await entryOn('public.class', 120)).status === 'open');
    await bothEqual();
    await decideAt('campus', [id], { action: 'drop' });
    await until(async () => (await parked()) === 0);
    await bothEqual();
    const { decision } = await entryOn('public.class', 120);
    expect(JSON.parse(decision)).toMatchObject({
      action: 'drop',
      history: [{ decision: { action: 'retry' }, ended: 'refused', decidedBy: 'directrice.cloud' }],
    });
  });

  test('that two people decide differently ends as the later one wants, as far as that is still possible', async () => {
    const edit = (name: string) =>
      ({ action: 'edit', changes: [{ index: 0, values: { name } }] }) as NewDecision;
    const atBoth = async (id: string, cloud: NewDecision, campus: NewDecision) => {
      await its.chain.disconnect();
      await decideAt('cloud', [id], cloud);
      await until(async () => (await parked()) === 0);
      await decideAt('campus', [id], campus);
      await its.chain.connect();
    };
    const kept = await clashOfNames(130);
    await atBoth(kept, { action: 'drop' }, edit('class 130 bis'));
    await until(async () => (await row('cloud', 'SELECT FROM class WHERE id = 130')) !== undefined);
    await bothEqual();
    expect(await row('campus', 'SELECT name FROM class WHERE id = 130')).toEqual({ name: 'class 130 bis' });
    expect(await rows('cloud', `SELECT FROM sync.dropped WHERE conflict_id = '${kept}'`)).toEqual([]);
    const gone = await clashOfNames(140);
    await atBoth(gone, edit('class 140 bis'), { action: 'drop' });
    await until(async () => (await entryOn('public.class', 140)).status === 'settled');
    await bothEqual();
    expect(await row('campus', 'SELECT name FROM class WHERE id = 140')).toEqual({ name: 'class 140 bis' });
    const { decision } = await entryOn('public.class', 140);
    expect(JSON.parse(decision).history).toMatchObject([{ decision: { action: 'drop' }, ended: 'refused' }]);
    const twins = await rows(
      'campus',
      `SELECT row_key ->> 'id' AS id FROM sync.conflict WHERE row_key ->> 'id' IN ('${kept}', '${gone}')`,
    );
    expect(twins.map(({ id }) => id).sort()).toEqual([kept, gone].sort());
  });
});
