import {
  parseSyncMap,
  prepareSite,
  readCatalog,
  sessionConfig,
  syncRole,
  takeBlock,
} from '@skooly-edge/sync-protocol';
import { Client, Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { allotToCampus, type SequenceOptions, tendCloudSequences } from './sequences.ts';

const policy = { scope: 'campus', policy: 'newest' };
const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: {
    'public.note': policy,
    'public.Odd name': policy,
    'public.small': policy,
    'public.level': { scope: null, direction: 'down', policy: 'cloud' },
  },
});
const note = 'public.note_id_seq';
const odd = 'public.Odd name_Key_seq';
const small = 'public.small_id_seq';
let database: TestDatabase;
let admin: Client;
let pool: Pool;
let options: SequenceOptions;

beforeAll(async () => {
  database = await createDatabase('sequences');
  admin = new Client(sessionConfig(database.url, { applicationName: 'sequence test' }));
  await admin.connect();
  await admin.query(`
    CREATE TABLE note (id serial PRIMARY KEY, campus text NOT NULL);
    CREATE TABLE "Odd name" ("Key" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, campus text NOT NULL);
    CREATE TABLE small (id smallserial PRIMARY KEY, campus text NOT NULL);
    CREATE TABLE level (id serial PRIMARY KEY);
    CREATE TABLE elsewhere (id serial PRIMARY KEY);`);
  const password = 'chain-test';
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password });
  const url = Object.assign(new URL(database.url), { username: syncRole, password });
  pool = new Pool(sessionConfig(url.href, { applicationName: 'sequence test' }));
  options = { pool, catalog: { current: await readCatalog(admin, syncMap) } };
});
afterAll(async () => {
  await pool.end();
  await admin.end();
  await database.drop();
});
beforeEach(async () => {
  await admin.query(`
    TRUNCATE sync.sequence_block, note, "Odd name", small;
    ALTER SEQUENCE note_id_seq MINVALUE 1 MAXVALUE 2147483647 START 1 RESTART;
    ALTER SEQUENCE small_id_seq MINVALUE 1 MAXVALUE 32767 START 1 RESTART;
    UPDATE sync.site SET epoch = 'first';`);
});

const insertNote = async () =>
  Number((await admin.query(`INSERT INTO note (campus) VALUES ('mvan') RETURNING id`)).rows[0].id);
const blocksOf = async (name: string) =>
  (
    await admin.query(
      'SELECT site, first, last FROM sync.sequence_block WHERE sequence = $1 ORDER BY first',
      [name],
    )
  ).rows;
const ask = (name: string, first: number | null = null, used = 0, epoch = 'log-1', campus = 'mvan') =>
  allotToCampus(options, campus, epoch, [{ name, used, first }]);

describe('the cloud', () => {
  it('draws from a block behind everything that it has used, wherever that came from', async () => {
    await insertNote();
    await admin.query(`INSERT INTO note VALUES (700, 'mvan')`);
    expect(await tendCloudSequences(options)).toEqual([]);
    expect(await insertNote()).toBe(701);
    expect(await blocksOf(note)).toEqual([{ site: 'cloud', first: '701', last: '1000700' }]);
    await tendCloudSequences(options);
    expect(await insertNote()).toBe(702);
  });

  it('takes a new block when less than a fifth is left, and says when there is none', async () => {
    await tendCloudSequences(options);
    await admin.query(`SELECT setval('note_id_seq', 790000)`);
    await tendCloudSequences(options);
    expect(await insertNote()).toBe(790_001);
    await admin.query(`SELECT setval('note_id_seq', 900000)`);
    await tendCloudSequences(options);
    expect(await insertNote()).toBe(1_000_001);
    await admin.query(`UPDATE sync.sequence_block SET last = 32767 WHERE sequence = '${small}'`);
    await admin.query(`ALTER SEQUENCE small_id_seq MAXVALUE 32767 RESTART WITH 32767`);
    await admin.query(`SELECT nextval('small_id_seq')`);
    expect(await tendCloudSequences(options)).toEqual([small]);
  });

  it('leaves alone what is not synced, or only comes down', async () => {
    await tendCloudSequences(options);
    const { rows } = await admin.query('SELECT DISTINCT sequence FROM sync.sequence_block ORDER BY 1');
    expect(rows.map(({ sequence }) => sequence)).toEqual([odd, note, small].sort());
  });

  it('takes a block far behind the last one after it was restored', async () => {
    await tendCloudSequences(options);
    await ask(note);
    await admin.query(`UPDATE sync.site SET epoch = 'second'`);
    expect(await ask(note, 1_000_001)).toEqual({ blocks: [], refused: [] });
    await tendCloudSequences(options);
    expect(await insertNote()).toBeGreaterThan(3_000_000);
  });
});

describe('a campus', () => {
  it('is given a block of its own, and the same one until it is in it', async () => {
    await tendCloudSequences(options);
    const block = { name: note, first: 1_000_001, last: 2_000_000 };
    expect(await ask(note)).toEqual({ blocks: [block], refused: [] });
    expect(await ask(note)).toEqual({ blocks: [block], refused: [] });
    expect((await ask(note, 1_000_001)).blocks).toEqual([{ name: note, first: 2_000_001, last: 3_000_000 }]);
    expect((await ask(note, null, 0, 'log-1', 'bonaberi')).blocks[0]?.first).toBe(3_000_001);
  });

  it('that was replaced does not go on in the block of the old box', async () => {
    await tendCloudSequences(options);
    await ask(note);
    expect((await ask(note, null, 0, 'log-2')).blocks[0]?.first).toBe(2_000_001);
  });

  it('waits until the cloud itself is in a block', async () => {
    expect(await ask(note)).toEqual({ blocks: [], refused: [] });
  });

  it('gets nothing for sequences that are not shared', async () => {
    await tendCloudSequences(options);
    expect(await ask('public.elsewhere_id_seq')).toEqual({ blocks: [], refused: [] });
    expect(await ask('public.level_id_seq')).toEqual({ blocks: [], refused: [] });
  });

  it('is refused more blocks than a school draws in a day', async () => {
    await tendCloudSequences(options);
    let first: number | null = null;
    for (let count = 0; count < 8; count++) first = (await ask(note, first)).blocks[0]?.first ?? null;
    expect(await ask(note, first)).toEqual({ blocks: [], refused: [note] });
  });

  it('asking at the same time as others gets numbers that nobody else has', async () => {
    await tendCloudSequences(options);
    const answers = await Promise.all(
      ['a1', 'b1', 'c1', 'd1'].map((campus) => ask(note, null, 0, 'log-1', campus)),
    );
    expect(new Set(answers.map(({ blocks }) => blocks[0]?.first)).size).toBe(4);
  });
});

describe('the role of the engine', () => {
  it('may move the sequences of synced tables, whatever their names, and no others', async () => {
    const client = await pool.connect();
    const take = async (name: string) => {
      await client.query('BEGIN');
      try {
        return await takeBlock(client, name, { first: 501, last: 600 });
      } finally {
        await client.query('ROLLBACK');
      }
    };
    expect([await take(note), await take(odd)]).toEqual([501, 501]);
    await expect(take('public.elsewhere_id_seq')).rejects.toThrow('belongs to no synced table');
    await expect(client.query('ALTER SEQUENCE note_id_seq RESTART')).rejects.toThrow('must be owner');
    client.release();
  });

  it('cannot make a sequence give what its column does not hold, or a number twice', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    await expect(takeBlock(client, small, { first: 32_000, last: 40_000 })).rejects.toThrow('cannot give');
    await client.query('ROLLBACK');
    await client.query('BEGIN');
    await takeBlock(client, note, { first: 501, last: 502 });
    await client.query('COMMIT');
    expect([await insertNote(), await insertNote()]).toEqual([501, 502]);
    await expect(insertNote()).rejects.toThrow('reached maximum value');
    await client.query('BEGIN');
    await expect(takeBlock(client, note, { first: 501, last: 502 })).rejects.toThrow('used up');
    await client.query('ROLLBACK');
    client.release();
  });

  it('is the only one that may', async () => {
    await admin.query('CREATE ROLE somebody; GRANT USAGE ON SCHEMA sync TO somebody; SET ROLE somebody');
    await expect(admin.query(`SELECT sync.take_sequence_block('${note}', 5, 6)`)).rejects.toThrow(
      'permission denied',
    );
    await admin.query('RESET ROLE; DROP OWNED BY somebody; DROP ROLE somebody');
  });
});
