import {
  correctedMessage,
  decodeDigests,
  decodeVersions,
  parseSyncMap,
  prepareSite,
  publicationName,
  readCatalog,
  replicationName,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import Fastify, { type FastifyInstance } from 'fastify';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import type { RelayError } from '../errors.ts';
import { addResync } from './resync-routes.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const table = 'public.pupil';
const columns = ['campus', 'id', 'name'];
let database: TestDatabase;
let pool: Pool;
let server: FastifyInstance;

beforeAll(async () => {
  database = await createDatabase('resync_routes');
  pool = new Pool(sessionConfig(database.url, { applicationName: 'resync routes test' }));
  await pool.query(
    `CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, name text);
     INSERT INTO pupil SELECT 'p' || n, CASE WHEN n % 3 = 0 THEN 'other' ELSE 'mvan' END, 'name ' || n FROM generate_series(1, 30) n`,
  );
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password: 'chain-test' });
  const client = await pool.connect();
  const catalog = await readCatalog(client, syncMap);
  client.release();
  server = Fastify() as unknown as FastifyInstance;
  server.decorateRequest('campus', '');
  server.addHook('onRequest', async (request) => {
    request.campus = 'mvan';
  });
  server.setErrorHandler((error: RelayError & { validation?: unknown }, _request, reply) =>
    reply
      .code(error.validation ? 400 : (error.status ?? 500))
      .send({ code: error.code, message: error.message }),
  );
  const options = { pool, catalog: () => catalog, epoch: async () => 'epoch', now: () => new Date() };
  addResync(server, options);
});

afterAll(async () => {
  await server.close();
  await pool.end();
  await database.drop();
});

async function ask(path: string, payload: object) {
  const answer = await server.inject({ method: 'POST', url: `/v1/resync/${path}`, payload });
  return { status: answer.statusCode, answer: answer.json() };
}

/** What was emitted since the last call, with the rows that were written, as the feed writer will read it. */
async function wal(): Promise<string> {
  // What an asynchronous commit wrote is read once it has left the buffers.
  await pool.query('SELECT pg_switch_wal()');
  const slot = replicationName(new URL(database.url).pathname.slice(1), 'slot');
  const { rows } = await pool.query(
    `SELECT string_agg(encode(data, 'escape'), E'\\n') AS wal
     FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [slot, publicationName],
  );
  return rows[0].wal ?? '';
}

test('digests, lists, versions and rows are of the asking campus only', async () => {
  const { answer } = await ask('digest', { table, columns, bits: 0, within: null });
  expect(decodeDigests({ bits: 0, within: null }, answer.digests)).toMatchObject([{ bucket: 0, rows: 20 }]);
  const listed = await ask('list', { table, columns, within: { bits: 0, buckets: [0] } });
  expect(decodeVersions(listed.answer.versions)).toHaveLength(20);
  const keys = [{ id: 'p3' }, { id: 'p4' }, { id: 'none' }];
  const versions = decodeVersions((await ask('versions', { table, columns, keys })).answer.versions);
  expect(versions.map(({ key }) => key)).toEqual([['p4']]);
  expect((await ask('rows', { table, columns: ['name'].concat('id'), keys })).answer).toEqual({
    rows: [null, { name: 'name 4', id: 'p4' }, null],
  });
  expect((await ask('tables', {})).answer.tables).toContainEqual({ name: table, columns });
});

test('what would not fit into an answer, or is not synced, is refused with a sentence', async () => {
  const refusals: [string, object, RegExp][] = [
    ['digest', { table, columns, bits: 17, within: null }, /an answer holds 65536 buckets/],
    ['digest', { table, columns, bits: 2, within: { bits: 2, buckets: [1] } }, /not finer/],
    ['digest', { table, columns, bits: 25, within: null }, /bits/],
    ['digest', { table: 'sync.campus', columns, bits: 0, within: null }, /sync.campus is not synced/],
    ['digest', { table, columns: ['token_sha256'], bits: 0, within: null }, /no column token_sha256/],
    ['list', { table, columns, within: { bits: 0, buckets: [] } }, /buckets/],
    ['versions', { table, columns, keys: [{ name: 'x' }] }, /the key of public.pupil is \(id\)/],
    ['versions', { table, columns, keys: Array.from({ length: 2_001 }, () => ({ id: 'p1' })) }, /keys/],
    ['correct', { resync: 'no uuid', table, rows: [{ key: { id: 'p1' }, campus: null }] }, /resync/],
  ];
  for (const [path, question, message] of refusals) {
    const { status, answer } = await ask(path, question);
    expect([status, answer.message], `${path} ${message}`).toEqual([400, expect.stringMatching(message)]);
  }
});

test('a correction tells the row as it stands, another campus’s row is none, and what the campus had is kept', async () => {
  await wal();
  const resync = '0198bbfa-4d80-7593-8987-1744a7d36247';
  const rows = [
    { key: { id: 'p1' }, campus: { id: 'p1', campus: 'mvan', name: 'of the campus' } },
    { key: { id: 'p2' }, campus: null },
    { key: { id: 'p3' }, campus: { id: 'p3', campus: 'mvan', name: 'not its own' } },
  ];
  for (const _ of [1, 2])
    expect((await ask('correct', { resync, table, rows })).answer).toEqual({ corrected: 3 });
  const written = await wal();
  expect(written).toContain(correctedMessage);
  expect(written).toContain(
    JSON.stringify({
      campus: 'mvan',
      corrections: [
        { table, key: { id: 'p1' }, row: { id: 'p1', campus: 'mvan', name: 'name 1' } },
        { table, key: { id: 'p2' }, row: { id: 'p2', campus: 'mvan', name: 'name 2' } },
        { table, key: { id: 'p3' }, row: null },
      ],
    }),
  );
  const kept = await pool.query(
    `SELECT kind, row_key ->> 'id' AS id, campus_value ->> 'name' AS campus, cloud_value ->> 'name' AS cloud, status
     FROM sync.conflict ORDER BY 1`,
  );
  expect(kept.rows).toEqual([
    { kind: 'update_differs', id: 'p1', campus: 'of the campus', cloud: 'name 1', status: 'settled' },
    { kind: 'update_missing', id: 'p3', campus: 'not its own', cloud: null, status: 'settled' },
  ]);
});

test('a delete is remembered by the feed of that campus, and by no other’s', async () => {
  const change = { table, key: { id: 'p5' }, op: 'delete', before: {}, after: null };
  await pool.query(
    `INSERT INTO sync.feed (campus, epoch, seq, stamp_epoch, stamp_seq, committed_at, lsn, seal, body) VALUES ('mvan', 'e', 1, '', 0, 0, 0, '', $1), ('other', 'e', 1, '', 0, 0, 0, '', $2)`,
    [
      JSON.stringify({ changes: [change], corrections: [] }),
      JSON.stringify({ changes: [{ ...change, key: { id: 'p4' } }], corrections: [] }),
    ],
  );
  const { answer } = await ask('history', { table, keys: [{ id: 'p4' }, { id: 'p5' }, { id: 'none' }] });
  expect(answer.deleted).toEqual([false, true, false]);
  expect(answer.writtenAt).toEqual([expect.any(Number), expect.any(Number), null]);
});
