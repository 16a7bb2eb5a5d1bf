import { setTimeout as sleep } from 'node:timers/promises';
import { authorMessage, dateTransaction } from '@skooly-edge/sync-protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResyncMode } from '../../apps/appliance/src/resync/difference.ts';
import type { ResyncReport, Selection } from '../../apps/appliance/src/resync/report.ts';
import { type Chain, startChain, until } from '../support/chain.ts';

const rows = 20_000;

const options = {
  schema: `
    CREATE TABLE pupil (id int PRIMARY KEY, campus text NOT NULL, name text NOT NULL, phone text, written_by text);
    CREATE TABLE mark (id int PRIMARY KEY, campus text NOT NULL, pupil_id int NOT NULL REFERENCES pupil, value numeric(4,2));
    CREATE TABLE level (name text PRIMARY KEY, fee int NOT NULL);
    CREATE TABLE due (id int PRIMARY KEY, campus text NOT NULL, amount int NOT NULL, note text);`,
  seed: `
    INSERT INTO pupil SELECT n, CASE n % 10 WHEN 0 THEN 'other' ELSE 'mvan' END, 'pupil ' || n, '6' || n, 'start' FROM generate_series(1, ${rows / 2}) n;
    INSERT INTO mark SELECT n, p.campus, p.id, n % 20 FROM generate_series(1, ${rows / 2}) n JOIN pupil p ON p.id = n;
    INSERT INTO level VALUES ('6e', 50000), ('5e', 55000);
    INSERT INTO due VALUES (1, 'mvan', 50000, 'a'), (2, 'mvan', 50000, 'a');`,
  syncMap: {
    version: 1,
    database: 'school',
    tables: {
      'public.mark': { scope: 'campus', policy: 'inbox' },
      'public.pupil': { scope: 'campus', policy: 'newest', by: 'written_by' },
      'public.due': { scope: 'campus', policy: 'newest', readOnlyColumns: ['amount'] },
      'public.level': { scope: null, direction: 'down', policy: 'cloud' },
    },
  },
  campus: 'mvan',
};

/** Writes that the other side never hears of, as what was lost with a slot, a log or a disk. */
async function unheard(
  chain: Chain,
  side: 'cloud' | 'campus',
  sql: string,
  atMs = Date.now(),
): Promise<void> {
  const client = chain[side];
  const { rows: found } = await client.query(
    `SELECT roname FROM pg_replication_origin WHERE roname LIKE 'edge_' || current_database() || '%' ORDER BY roname DESC`,
  );
  await client.query('SET session_replication_role = replica');
  await client.query('SELECT pg_replication_origin_session_setup($1)', [found[0].roname]);
  await client.query('BEGIN');
  await dateTransaction(client, atMs * 1_000);
  // In the cloud such rows count as the campus's own only with the message that says so.
  if (side === 'cloud')
    await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [
      authorMessage,
      JSON.stringify({ campus: options.campus }),
    ]);
  await client.query(sql);
  await client.query('COMMIT');
  await client.query('SELECT pg_replication_origin_session_reset()');
  await client.query('RESET session_replication_role');
}

describe('a resync of 20,000 rows', () => {
  let chain: Chain;
  const query = async (side: 'cloud' | 'campus', sql: string) => (await chain[side].query(sql)).rows;
  const bothEqual = async () => {
    for (const table of ['pupil', 'mark', 'due', 'level', 'sync.conflict']) {
      const scope = table === 'level' ? '' : `WHERE campus = 'mvan'`;
      const sql = `SELECT t::text AS row FROM ${table} t ${scope} ORDER BY 1`;
      expect(await query('campus', sql), table).toEqual(await query('cloud', sql));
    }
  };
  const resync = async (mode: ResyncMode = 'policy'): Promise<ResyncReport> => {
    await chain.sync.resync.start({ table: null, keys: null, mode, throttleBytesPerSecond: null });
    return over();
  };
  const over = async (): Promise<ResyncReport> => {
    await until(async () => chain.sync.resync.report?.state !== 'running').catch((error) => {
      throw new Error(JSON.stringify(chain.sync.resync.report), { cause: error });
    });
    return chain.sync.resync.report as ResyncReport;
  };

  beforeAll(async () => {
    chain = await startChain(options);
    await chain.connect();
    await chain.settled();
  });

  afterAll(async () => {
    await chain[Symbol.asyncDispose]();
  });

  test('of equal sides it moves little and says that they are equal', async () => {
    const report = await resync();
    expect(report).toMatchObject({ state: 'done', differences: 0, remaining: 0, tables: 5, tablesDone: 5 });
    expect(report.bytes).toBeLessThan(20_000);
    expect((await chain.sync.status()).proof).toMatchObject({ equal: true, tables: 5, differences: 0 });
  });

  test('differences of every sort are brought together by the policies while both sides write', async () => {
    await unheard(
      chain,
      'campus',
      `UPDATE pupil SET phone = 'campus' WHERE id BETWEEN 11 AND 19;
       UPDATE mark SET value = 19 WHERE id = 21;
       DELETE FROM mark WHERE id BETWEEN 31 AND 39;
       DELETE FROM mark WHERE id = 41; DELETE FROM pupil WHERE id = 41;
       INSERT INTO mark VALUES (90002, 'mvan', 90001, 12); INSERT INTO pupil VALUES (90001, 'mvan', 'here', NULL, 'x');
       INSERT INTO pupil VALUES (90009, 'other', 'a stranger', NULL, 'x');
       UPDATE level SET fee = 1 WHERE name = '6e'; INSERT INTO level VALUES ('wrong', 0);`,
    );
    await unheard(
      chain,
      'cloud',
      `UPDATE pupil SET name = 'cloud' WHERE id BETWEEN 51 AND 59;
       INSERT INTO pupil VALUES (90003, 'mvan', 'there', NULL, 'x'); INSERT INTO mark VALUES (90004, 'mvan', 90003, 8);
       DELETE FROM mark WHERE id = 61;`,
    );
    let writing = true;
    const writers = (['cloud', 'campus'] as const).map(async (side, offset) => {
      for (let n = 0; writing; n++) {
        const id = 101 + 4_000 * offset + (n % 3_000);
        await chain[side].query(`UPDATE pupil SET phone = '${side} ${n}' WHERE id = ${id}`);
        const added = 10_000_000 * (offset + 1) + n;
        await chain[side].query(`INSERT INTO pupil VALUES (${added}, 'mvan', 'new', NULL, '${side}')`);
        await sleep(2);
      }
    });
    const report = await resync().finally(() => {
      writing = false;
    });
    await Promise.all(writers);
    expect(report).toMatchObject({ state: 'done', problem: null, remaining: 0 });
    // What the writers had under way is no difference.
    expect(report.differences).toBe(9 + 1 + 9 + 2 + 2 + 1 + 2 + 9 + 2 + 1);
    await chain.settled();
    await bothEqual();
    expect(await query('cloud', `SELECT DISTINCT phone FROM pupil WHERE id BETWEEN 11 AND 19`)).toEqual([
      { phone: 'campus' },
    ]);
    expect(await query('campus', `SELECT DISTINCT name FROM pupil WHERE id BETWEEN 51 AND 59`)).toEqual([
      { name: 'cloud' },
    ]);
    expect(await query('campus', `SELECT value FROM mark WHERE id = 21`)).toEqual([{ value: '1.00' }]);
    expect(
      await query('cloud', `SELECT status, kind FROM sync.conflict WHERE table_name = 'public.mark'`),
    ).toEqual([{ status: 'open', kind: 'insert_exists' }]);
    expect(await query('campus', 'SELECT count(*) FROM mark WHERE id BETWEEN 31 AND 39')).toEqual([
      { count: '9' },
    ]);
    expect(await query('cloud', 'SELECT id FROM mark WHERE id IN (61, 90002, 90004) ORDER BY id')).toEqual([
      { id: '61' },
      { id: '90002' },
      { id: '90004' },
    ]);
    expect(await query('campus', `SELECT name, fee FROM level ORDER BY 1`)).toEqual([
      { name: '5e', fee: '55000' },
      { name: '6e', fee: '50000' },
    ]);
    expect(await query('campus', `SELECT id FROM pupil WHERE id = 90009`)).toEqual([]);
  });

  test('a delete is not undone, on whichever side it was made', async () => {
    const before = Date.now() - 60_000;
    await chain.cloud.query('DELETE FROM mark WHERE id = 71');
    await chain.campus.query('DELETE FROM mark WHERE id = 72');
    await chain.settled();
    await unheard(chain, 'campus', `INSERT INTO mark VALUES (71, 'mvan', 71, 5)`);
    await unheard(chain, 'cloud', `INSERT INTO mark VALUES (72, 'mvan', 72, 12)`, before);
    expect(await resync()).toMatchObject({ state: 'done', differences: 2, remaining: 0 });
    await chain.settled();
    await bothEqual();
    expect(await query('cloud', 'SELECT id FROM mark WHERE id IN (71, 72)')).toEqual([]);
    expect(
      await query(
        'campus',
        `SELECT kind, campus_value ->> 'value' AS value, status FROM sync.conflict WHERE row_key ->> 'id' = '71'`,
      ),
    ).toEqual([{ kind: 'update_missing', value: '5.00', status: 'settled' }]);
  });

  test.each(['policy', 'campus-wins'] as const)(
    'by %s a campus never wins in a column that it may not write',
    async (mode) => {
      const note = `by ${mode}`;
      await unheard(
        chain,
        'campus',
        `UPDATE due SET amount = 1, note = '${note}' WHERE id = 1; UPDATE due SET note = '${note}' WHERE id = 2`,
      );
      expect(await resync(mode)).toMatchObject({ state: 'done', differences: 2, remaining: 0 });
      await chain.settled();
      await bothEqual();
      expect(await query('cloud', 'SELECT id, amount, note FROM due ORDER BY 1')).toEqual([
        { id: '1', amount: '50000', note: mode === 'policy' ? 'a' : note },
        { id: '2', amount: '50000', note },
      ]);
    },
  );

  test('a plan says what would be done, by table and direction, and does nothing', async () => {
    await unheard(chain, 'campus', `UPDATE mark SET value = 3 WHERE id = 81; DELETE FROM mark WHERE id = 82`);
    const everything = { table: null, keys: null };
    const plan = await chain.sync.resync.plan(everything, 'policy', AbortSignal.timeout(20_000));
    const [mark, ...others] = plan.tables.filter(({ differences }) => differences > 0);
    expect(others).toEqual([]);
    expect(mark).toMatchObject({
      table: 'public.mark',
      differences: 2,
      toCloud: { rows: 1 },
      toCampus: { rows: 2 },
      conflicts: 1,
      repairs: { offer: 1, correct: 1, overwrite: 0, remove: 0, repeat_delete: 0 },
    });
    expect(plan.bytes).toBeGreaterThan(0);
    expect(await query('campus', 'SELECT value FROM mark WHERE id = 81')).toEqual([{ value: '3.00' }]);
    expect(await query('campus', 'SELECT FROM sync.resync_row')).toEqual([]);
  });

  test('a chosen row is repaired and no other, and what is no row of ours is refused by name', async () => {
    const request = { mode: 'cloud-wins', throttleBytesPerSecond: null } as const;
    await chain.sync.resync.start({ ...request, table: 'public.mark', keys: [{ id: '82' }] });
    expect(await over()).toMatchObject({ state: 'done', differences: 1, remaining: 0 });
    expect(await query('campus', 'SELECT id, value FROM mark WHERE id IN (81, 82) ORDER BY 1')).toEqual([
      { id: '81', value: '3.00' },
      { id: '82', value: '2.00' },
    ]);
    await expect(
      chain.sync.resync.start({ ...request, table: 'public.nothing', keys: null }),
    ).rejects.toMatchObject({ code: 'RESYNC_TABLE_UNKNOWN' });
    await expect(
      chain.sync.resync.start({ ...request, table: 'public.mark', keys: [{ name: 'x' }] }),
    ).rejects.toMatchObject({ code: 'RESYNC_KEY_INVALID' });
  });

  test('what the box itself doubts waits for its turn and is not lost in a run that looks at less', async () => {
    const chosen: Selection = { table: 'public.level', keys: [{ name: '5e' }] };
    const first = await chain.sync.resync.start({ ...chosen, mode: 'policy', throttleBytesPerSecond: null });
    await chain.sync.requestResync('a doubt');
    await until(async () => chain.sync.resync.report?.id !== first.id);
    expect(await over()).toMatchObject({ state: 'done', reason: 'a doubt', tables: 5 });
  });

  test.each([
    ['cloud-wins', 'cloud', '0.25'],
    ['campus-wins', 'campus', '0.75'],
  ] as const)(
    'with %s the %s’s rows stand everywhere, and what they overwrite is kept',
    async (mode, side, value) => {
      await resync('cloud-wins');
      await chain.cloud.query('DELETE FROM mark WHERE id > 90000');
      await chain.settled();
      await unheard(
        chain,
        'campus',
        `UPDATE mark SET value = 0.75 WHERE id IN (91, 92); DELETE FROM mark WHERE id = 93;
       INSERT INTO mark VALUES (94000, 'mvan', 94, 0.75); UPDATE level SET fee = 2 WHERE name = '6e'`,
      );
      await unheard(
        chain,
        'cloud',
        `UPDATE mark SET value = 0.25 WHERE id IN (91, 92); INSERT INTO mark VALUES (95000, 'mvan', 95, 0.25)`,
      );
      await query('campus', `DELETE FROM sync.conflict`);
      expect(await resync(mode)).toMatchObject({ state: 'done', differences: 6, remaining: 0 });
      await chain.settled();
      await bothEqual();
      expect(
        await query('cloud', 'SELECT id, value FROM mark WHERE id IN (91, 92, 93, 94000, 95000) ORDER BY 1'),
      ).toEqual(
        mode === 'cloud-wins'
          ? [
              { id: '91', value },
              { id: '92', value },
              { id: '93', value: '13.00' },
              { id: '95000', value },
            ]
          : [
              { id: '91', value },
              { id: '92', value },
              { id: '94000', value },
            ],
      );
      expect(await query('campus', `SELECT fee FROM level WHERE name = '6e'`)).toEqual([{ fee: '50000' }]);
      const kept = await query(
        'cloud',
        `SELECT kind, row_key ->> 'id' AS id, status, rule ->> '*' AS rule,
              coalesce(${side === 'cloud' ? 'campus' : 'cloud'}_value ->> 'value', ${side}_value ->> 'value') AS lost
       FROM sync.conflict WHERE table_name = 'public.mark' ORDER BY 1, 2`,
      );
      const entry = (kind: string, id: string, lost: string) => ({
        kind,
        id,
        status: 'settled',
        rule: 'resync',
        lost,
      });
      expect(kept).toEqual(
        mode === 'cloud-wins'
          ? [
              entry('update_differs', '91', '0.75'),
              entry('update_differs', '92', '0.75'),
              entry('update_missing', '94000', '0.75'),
            ]
          : [
              entry('delete_differs', '93', '13.00'),
              entry('delete_differs', '95000', '0.25'),
              entry('update_differs', '91', '0.25'),
              entry('update_differs', '92', '0.25'),
            ],
      );
    },
  );

  test('a run that a crash breaks off goes on where it stopped, and a second start is shown the first', async () => {
    await unheard(chain, 'campus', `UPDATE pupil SET phone = 'lost ' || id WHERE id BETWEEN 1000 AND 2000`);
    const slow = { table: null, keys: null, mode: 'policy', throttleBytesPerSecond: 200_000 } as const;
    const first = await chain.sync.resync.start(slow);
    await until(async () => chain.sync.resync.report?.step === 'repair');
    await chain.disconnect();
    const [left] = await query(
      'campus',
      'SELECT count(*) AS rows, count(*) FILTER (WHERE repaired) AS done FROM sync.resync_row',
    );
    expect(Number(left.rows)).toBe(900);
    expect(Number(left.done)).toBeLessThan(900);
    await chain.connect();
    const second = await chain.sync.resync.start({ ...slow, mode: 'cloud-wins' });
    expect(second).toMatchObject({ id: first.id, mode: 'policy' });
    expect(await over()).toMatchObject({ id: first.id, state: 'done', differences: 900, remaining: 0 });
    await chain.settled();
    await bothEqual();
    expect(await query('cloud', `SELECT count(*) FROM pupil WHERE phone LIKE 'lost %'`)).toEqual([
      { count: '900' },
    ]);
  });

  test('a run that is cancelled ends, keeps what it has repaired, and the next one repairs the rest', async () => {
    await unheard(chain, 'campus', `UPDATE pupil SET phone = 'again ' || id WHERE id BETWEEN 1000 AND 2000`);
    await chain.sync.resync.start({
      table: null,
      keys: null,
      mode: 'policy',
      throttleBytesPerSecond: 200_000,
    });
    await until(async () => chain.sync.resync.report?.step === 'repair');
    expect(chain.sync.resync.cancel()).toMatchObject({ state: 'running' });
    expect(await over()).toMatchObject({ state: 'cancelled' });
    await chain.sync.requestResync('a test asks for it');
    expect(await over()).toMatchObject({ state: 'done', reason: 'a test asks for it', remaining: 0 });
    await chain.settled();
    await bothEqual();
  });
});
