import {
  parseSyncMap,
  postgresInbox,
  prepareSite,
  readCatalog,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import type { FastifyInstance } from 'fastify';
import { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { buildAdmin } from '../admin/admin.ts';
import { exampleStatus } from '../admin/status.fixture.ts';
import { buildCli } from '../cli/cli.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'x',
  tables: { 'public.mark': { scope: 'campus', policy: 'inbox', by: 'entered_by' } },
});

const idOf = (n: number) => `00000000-0000-8000-8000-${String(n).padStart(12, '0')}`;

let database: TestDatabase;
let pool: Pool;
let admin: FastifyInstance;
let address: string;

beforeAll(async () => {
  database = await createDatabase('inbox');
  pool = new Pool(sessionConfig(database.url, { applicationName: 'inbox test' }));
  pool.on('error', () => {});
  await pool.query(
    `CREATE TABLE mark (id text PRIMARY KEY, campus text NOT NULL, value numeric(4,2) CHECK (value <= 20), entered_by text)`,
  );
  await prepareSite({ adminUrl: database.url, site: 'mvan', syncMap, password: 'chain-test' });
  const client = await pool.connect();
  const catalog = { current: await readCatalog(client, syncMap) };
  client.release();
  const inbox = postgresInbox({ pool, catalog, now: () => new Date('2026-11-23T08:00:00Z') });
  admin = buildAdmin({ readStatus: async () => exampleStatus, inbox });
  address = await admin.listen({ host: '127.0.0.1', port: 0 });
});

afterAll(async () => {
  process.exitCode = 0;
  await admin?.close();
  await pool?.end();
  await database?.drop();
});

beforeEach(async () => {
  await pool.query('TRUNCATE mark, sync.conflict');
  await pool.query(`INSERT INTO mark SELECT n, 'mvan', 14, 'prof' FROM generate_series(1, 5) n`);
  await pool.query(
    `INSERT INTO sync.conflict (id, campus, kind, table_name, row_key, before, campus_value, cloud_value, result, rule, status,
       campus_at, cloud_at, campus_by, cloud_by, campus_epoch, campus_seq, created_at)
     SELECT ('00000000-0000-8000-8000-' || lpad(n::text, 12, '0'))::uuid, 'mvan', 'update_differs', 'public.mark',
       jsonb_build_object('id', n::text), '{"value":"10.00"}', '{"value":"12.00"}', '{"value":"14.00"}', '{"value":"14.00"}',
       '{"value":"inbox"}', CASE n WHEN 5 THEN 'settled' ELSE 'open' END, '2026-11-20 07:00Z', '2026-11-20 08:00Z',
       'prof.mvan', 'discipline.mvan', 'e', n, timestamptz '2026-11-21 00:00Z' + n * interval '1 second'
     FROM generate_series(1, 5) n`,
  );
  await pool.query(
    `INSERT INTO sync.conflict (id, campus, kind, table_name, row_key, campus_value, rule, detail, parked, status, campus_at,
       campus_epoch, campus_seq, created_at)
     VALUES ($1, 'mvan', 'check_violated', 'public.mark', '{"id":"9"}', '{"id":"9","value":"21.00"}', '{"*":"inbox"}',
       'new row violates check constraint "mark_value_check".',
       '[{"table":"public.mark","key":{"id":"9"},"op":"insert","before":null,"after":{"id":"9","campus":"mvan","value":"21.00"}}]',
       'open', '2026-11-20 07:00Z', 'e', 9, '2026-11-20 07:00Z')`,
    [idOf(9)],
  );
});

const mark = async (id: number) =>
  (await pool.query('SELECT value, entered_by FROM mark WHERE id = $1', [id])).rows[0];
const statusOf = async (n: number) =>
  (await pool.query('SELECT status FROM sync.conflict WHERE id = $1', [idOf(n)])).rows[0].status;

describe('the admin API', () => {
  const get = async (url: string, language = 'en') =>
    (await admin.inject({ url, headers: { 'accept-language': language } })).json();
  const post = (url: string, payload: object, language = 'en') =>
    admin.inject({ method: 'POST', url, payload, headers: { 'accept-language': language } });

  test('lists conflicts page by page, the newest first, each once', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: {
        conflicts: { id: string; campusAt: string }[];
        total: number;
        open: number;
        next: string | null;
      } = await get(`/conflicts?limit=4${after ? `&after=${encodeURIComponent(after)}` : ''}`);
      expect(page).toMatchObject({ total: 6, open: 5 });
      expect(page.conflicts[0]?.campusAt).toBe('2026-11-20T07:00:00Z');
      seen.push(...page.conflicts.map(({ id }) => id));
      after = page.next;
    } while (after);
    expect(seen).toEqual([5, 4, 3, 2, 1, 9].map(idOf));
  });

  test('filters by status, kind and table, and refuses more than a page holds', async () => {
    expect(await get('/conflicts?status=settled')).toMatchObject({ total: 1 });
    expect(await get('/conflicts?kind=check_violated')).toMatchObject({ total: 1 });
    expect(await get('/conflicts?table=public.pupil')).toMatchObject({ total: 0, next: null });
    expect((await admin.inject('/conflicts?limit=101')).statusCode).toBe(400);
    expect((await admin.inject('/conflicts?kind=quarrel')).statusCode).toBe(400);
  });

  test('shows one whole, with the changes that wait', async () => {
    const entry = await get(`/conflicts/${idOf(9)}`);
    expect(entry.parked).toMatchObject([{ op: 'insert', after: { value: '21.00' } }]);
    expect(await get(`/conflicts/${idOf(77)}`, 'fr')).toMatchObject({
      code: 'CONFLICT_UNKNOWN',
      message: `Aucun conflit ${idOf(77)} n'est connu ici.`,
    });
  });

  test('decides, and says of every entry what is in the way when it cannot', async () => {
    const ask = { ids: [idOf(1), idOf(2)], decision: { action: 'campus' }, by: 'directrice' };
    const refused = await post('/conflicts/decide', { ...ask, ids: [idOf(1), idOf(9)] }, 'fr-CM');
    expect(refused.statusCode).toBe(422);
    expect(refused.json()).toMatchObject({
      code: 'WRONG_ACTION',
      message: 'Un conflit du type check_violated ne peut être tranché par « campus ».',
      written: false,
      entries: [{ problem: null }, { problem: { code: 'WRONG_ACTION' } }],
    });
    expect(await mark(1)).toEqual({ value: '14.00', entered_by: 'prof' });
    const done = await post('/conflicts/decide', ask);
    expect(done.json()).toMatchObject({
      written: true,
      entries: [{ status: 'decided' }, { status: 'decided' }],
    });
    expect(await mark(1)).toEqual({ value: '12.00', entered_by: 'directrice' });
    const again = await post('/conflicts/decide', ask);
    expect(again.statusCode).toBe(409);
    const undone = await post('/conflicts/undo', { ids: [idOf(1)], by: 'proviseur' });
    expect(undone.json()).toMatchObject({ written: true, entries: [{ status: 'open' }] });
    expect(await mark(1)).toEqual({ value: '14.00', entered_by: 'proviseur' });
  });

  test('refuses a name or a value that no database can hold, and goes on with the next entry', async () => {
    const body = { ids: [idOf(1), idOf(2)], decision: { action: 'campus' }, by: 'a\u0000b' };
    const refused = await post('/conflicts/decide', body);
    expect(refused.statusCode).toBe(409);
    const codes = refused.json().entries.map((entry: { problem: { code: string } }) => entry.problem.code);
    expect(codes).toEqual(['DATABASE_REFUSED', 'DATABASE_REFUSED']);
    expect(await statusOf(1)).toBe('open');
  });

  test.each([
    { decision: { action: 'campus' }, by: '' },
    { decision: { action: 'undrop' }, by: 'x' },
    { decision: { action: 'values' }, by: 'x' },
    { decision: { action: 'values', values: { value: 12 } }, by: 'x' },
    { decision: { action: 'campus' }, by: 'x', ids: [] },
  ])('refuses what is no decision: %j', async (body) => {
    const { statusCode } = await post('/conflicts/decide', { ids: [idOf(1)], ...body });
    expect(statusCode).toBe(400);
    expect(await statusOf(1)).toBe('open');
  });
});

describe('the command line', () => {
  async function run(
    args: string[],
    { answer, locale = 'en_GB.UTF-8' }: { answer?: string; locale?: string } = {},
  ) {
    const said = { out: '', err: '', asked: '' };
    const cli = buildCli({
      serve: async () => {},
      prepare: async () => {},
      env: { EDGE_ADMIN_URL: address, LANG: locale },
      inboxTerminal: {
        write: (text) => {
          said.out += text;
        },
        complain: (text) => {
          said.err += text;
        },
        ask:
          answer === undefined
            ? null
            : async (question) => {
                said.asked += question;
                return answer;
              },
      },
    });
    const writeErr = (text: string) => {
      said.err += text;
    };
    for (const command of [cli, ...cli.commands]) command.exitOverride().configureOutput({ writeErr });
    process.exitCode = 0;
    await cli.parseAsync(args, { from: 'user' }).catch((error) => {
      said.err += error.message;
      process.exitCode = error.exitCode ?? 1;
    });
    const code = process.exitCode;
    process.exitCode = 0;
    return { ...said, code };
  }

  test('lists side by side, with who, when and by which rule', async () => {
    const { out, code } = await run(['conflicts', '--open', '--limit', '1']);
    expect(code).toBe(0);
    expect(out).toMatch(/^5 conflicts, 5 open\n/);
    expect(out).toContain(`${idOf(4)}  open  Changed on both sides (update_differs)`);
    expect(out).toMatch(/campus mvan: prof\.mvan, 20\/11\/2026/);
    expect(out).toMatch(/column +before +campus +cloud +kept\n +value +10\.00 +12\.00 +14\.00 +14\.00/);
    expect(out).toMatch(/More: --after \S+\n$/);
  });

  test('speaks French where the person does, or where it is told to', async () => {
    const { out } = await run(['conflict', idOf(9)], { locale: 'fr_CM.UTF-8' });
    expect(out).toContain('ouvert  Contraire à une règle (check_violated)');
    expect(out).toContain('modification 0 : insert public.mark');
    expect(out).toContain(`skooly-edge decide ${idOf(9)} --drop`);
    expect((await run(['conflict', idOf(1), '--lang', 'fr'])).out).toContain('Modifié des deux côtés');
    expect((await run(['conflict', idOf(77), '--lang', 'fr'])).err).toContain("n'est connu ici");
  });

  test('shows what would be written and asks before it decides', async () => {
    const args = ['decide', idOf(1), '--keep', 'campus', '--by', 'directrice'];
    const no = await run(args, { answer: '' });
    expect(no.out).toContain('writes value 14.00 → 12.00');
    expect(no).toMatchObject({ code: 1, asked: 'Write this decision? [y/N] ' });
    expect(await run(args)).toMatchObject({ code: 1, err: 'Nobody is there to ask: give --yes.\n' });
    expect(await statusOf(1)).toBe('open');
    const yes = await run(args, { answer: 'y' });
    expect(yes.out).toMatch(/1 decision written\.\n$/);
    expect(await mark(1)).toEqual({ value: '12.00', entered_by: 'directrice' });
    const undone = await run(['undo', idOf(1), '--yes']);
    expect(undone.out).toMatch(/writes value 12\.00 → 14\.00\n1 decision undone\.\n$/);
  });

  test('takes other values, for a parked transaction too, and a dry run writes nothing', async () => {
    const dry = await run(['decide', idOf(1), '--set', 'value=13', '--dry-run']);
    expect(dry.out).toContain('value 14.00 → 13.00');
    expect(dry.out).toMatch(/Nothing was written\.\n$/);
    expect(await statusOf(1)).toBe('open');
    const edited = await run(['decide', idOf(9), '--set', 'value=20', '--yes', '--json']);
    expect(JSON.parse(edited.out)).toMatchObject({
      written: true,
      entries: [{ inCloud: true, status: 'decided' }],
    });
    const entry = JSON.parse((await run(['conflict', idOf(9), '--json'])).out);
    expect(entry.decision).toMatchObject({
      action: 'edit',
      changes: [{ index: 0, values: { value: '20' } }],
    });
  });

  test('refuses what does not fit, and says what does', async () => {
    expect((await run(['decide', idOf(1)])).err).toContain('No decision is given.');
    expect((await run(['decide', idOf(1), '--retry', '--drop'])).err).toContain('Only one decision');
    expect((await run(['decide', idOf(1), '--keep', 'both'])).err).toContain('keep campus or cloud.');
    const refused = await run(['decide', idOf(1), idOf(2), '--set', 'value=30', '--yes']);
    expect(refused.out).toContain('✗ The database refuses it');
    expect(refused).toMatchObject({ code: 1, err: 'Nothing was written: 2 of 2 cannot be.\n' });
    const many = await run(['decide', idOf(1), idOf(2), '--keep', 'campus', '--yes']);
    expect(many.out).toMatch(/2 decisions written\.\n$/);
    const nobody = await run(['conflicts', '--admin', 'http://127.0.0.1:9']);
    expect(nobody).toMatchObject({ code: 3, out: '' });
  });
});
