import {
  type Change,
  type FeedEntry,
  groupOfEntries,
  type OwnChanges,
  parseSyncMap,
  prepareSite,
  type Row,
  readCatalog,
  sessionConfig,
} from '@skooly-edge/sync-protocol';
import { Client, Pool } from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { Follower, type OwnLog } from './follower.ts';
import { PostgresCampus } from './postgres-campus.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const signal = new AbortController().signal;
const logger = pino({ level: 'silent' });
let database: TestDatabase;
let pool: Pool;
let follower: Follower;
let waits: number;
let commits: number;
let own: Map<string, OwnChanges>;
/** What local users commit while capture is waited for; the log holds it afterwards. */
let whileWaiting: () => void;

beforeAll(async () => {
  database = await createDatabase('follower');
  pool = new Pool(sessionConfig(database.url, { applicationName: 'follower test' }));
  await pool.query(
    'CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, matricule text UNIQUE, phone text)',
  );
  await prepareSite({ adminUrl: database.url, site: 'campus', syncMap, password: 'chain-test' });
});
afterAll(async () => {
  await pool?.end();
  await database?.drop();
});

beforeEach(async () => {
  await pool.query(`
    TRUNCATE pupil, sync.parked_entry, sync.cursor;
    INSERT INTO sync.cursor (epoch, seq, seeded_until) VALUES ('cloud', 0, 0);
    INSERT INTO pupil VALUES ('here', 'mvan', 'M50', '1')`);
  const client = new Client(sessionConfig(database.url, { applicationName: 'follower test' }));
  await client.connect();
  const catalog = await readCatalog(client, syncMap);
  await client.end();
  [waits, commits, own, whileWaiting] = [0, 0, new Map(), () => {}];
  // A transaction of this campus is pending: nothing goes straight.
  const log: OwnLog = {
    epoch: 'log',
    lastSeq: 1,
    changesSince: (_table: string, key: Row) => own.get(key.id ?? '') ?? null,
    forgetTouches() {},
  };
  const campus = new PostgresCampus({
    databaseUrl: database.url,
    catalog: { current: catalog, refresh: async () => false },
    keeper: {
      holds: false,
      keep: async (_client, _catalog, entries) => [...entries],
      replay: async () => [],
      switchEpoch: async () => {},
      stamps: async () => [],
    },
    logger,
  });
  follower = new Follower({
    store: {
      commit(work, limit) {
        commits++;
        return campus.commit(work, limit);
      },
      close: () => campus.close(),
    },
    log,
    async captured() {
      waits++;
      whileWaiting();
    },
    onDrift() {},
  });
});
afterEach(() => follower.close());

const entry = (seq: number, change: Pick<Change, 'op' | 'key' | 'before' | 'after'>): FeedEntry => ({
  epoch: 'cloud',
  seq,
  stamp: { epoch: 'log', seq: 0 },
  committedAt: seq * 1_000_000,
  lsn: seq,
  changes: [{ table: 'public.pupil', by: null, ...change } as Change],
  corrections: [],
});
/** Pupil `p<seq>` with the matricule `M<seq>`. */
const enrolled = (seq: number) => {
  const after = { id: `p${seq}`, campus: 'mvan', matricule: `M${seq}`, phone: '0' };
  return entry(seq, { op: 'insert', key: { id: `p${seq}` }, before: null, after });
};
const apply = (entries: FeedEntry[]) => follower.apply([groupOfEntries(entries)], signal);
const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, at) => from + at);
async function pupils(): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>('SELECT id FROM pupil');
  return rows.map(({ id }) => id).sort();
}

test('an entry that cannot be applied is parked, and its neighbours do not wait for capture each', async () => {
  await apply(numbers(100).map(enrolled));
  const others = numbers(100).filter((seq) => seq !== 50);
  expect(await pupils()).toEqual(['here', ...others.map((seq) => `p${seq}`)].sort());
  expect(follower.parked).toBe(1);
  expect(waits).toBeLessThan(5);
});

test('what a local user has committed unseen while entries were tried is seen before they count', async () => {
  const phone = (seq: number, id: string) =>
    entry(seq, { op: 'update', key: { id }, before: { phone: '1' }, after: { phone: '2' } });
  whileWaiting = () => {
    // The log learns of it at the wait that ends the attempts, which began with the clash.
    if (waits > 1) own.set('here', { columns: new Set(['phone']), deleted: false });
  };
  await apply([...numbers(60).map(enrolled), phone(61, 'here')]);
  const { rows } = await pool.query(`SELECT phone FROM pupil WHERE id = 'here'`);
  expect(rows).toEqual([{ phone: '1' }]);
  expect(follower.parked).toBe(1);
});

test('what waits for a row of this campus is applied once the row is corrected', async () => {
  await apply(numbers(60).map(enrolled));
  await apply([
    entry(61, { op: 'update', key: { id: 'p50' }, before: { phone: '0' }, after: { phone: '3' } }),
  ]);
  expect(follower.parked).toBe(2);
  await apply([
    entry(62, {
      op: 'update',
      key: { id: 'here' },
      before: { matricule: 'M50' },
      after: { matricule: 'M0' },
    }),
  ]);
  expect(follower.parked).toBe(0);
  const { rows } = await pool.query(`SELECT matricule, phone FROM pupil WHERE id = 'p50'`);
  expect(rows).toEqual([{ matricule: 'M50', phone: '3' }]);
});

test('retries that have not begun are one', async () => {
  await apply(numbers(60).map(enrolled));
  const before = commits;
  await Promise.all(numbers(20).map(() => follower.retry(signal)));
  expect(commits - before).toBe(1);
  await follower.retry(signal);
  expect(commits - before).toBe(2);
});
