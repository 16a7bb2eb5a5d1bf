import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { CampusClock } from '../../apps/appliance/src/clock/campus-clock.ts';
import { thisMachine } from '../../apps/appliance/src/clock/machine.ts';
import { day, memoryFile, World } from '../../apps/appliance/src/clock/world.fixture.ts';
import { BatchSize } from '../../apps/appliance/src/push/batch-size.ts';
import { drain } from '../../apps/appliance/src/push/drain.ts';
import { ReadyRuns } from '../../apps/appliance/src/push/ready-runs.ts';
import { RelayClient } from '../../apps/appliance/src/relay-client/relay-client.ts';
import { SyncLog } from '../../apps/appliance/src/sync-log/sync-log.ts';
import { type Chain, type ChainOptions, startChain } from '../support/chain.ts';

const schema = 'CREATE TABLE pupil (id int PRIMARY KEY, campus text NOT NULL, phone text);';
const seed = `INSERT INTO pupil SELECT n, 'mvan', 'start' FROM generate_series(1, 9) n;`;
const syncMap = {
  version: 1,
  database: 'clock',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
};

/** What separates two moments: more than two clocks of one machine and an exchange on it differ. */
const apartMs = 50;

let chain: Chain;
const start = async (options: Partial<ChainOptions> = {}) => {
  chain = await startChain({ schema, seed, syncMap, campus: 'mvan', ...options });
};
afterEach(() => chain[Symbol.asyncDispose]());

const cloudWrites = async (id: number) => {
  await sleep(apartMs);
  await chain.cloud.query(`UPDATE pupil SET phone = 'cloud' WHERE id = ${id}`);
  await sleep(apartMs);
};
const phones = async () => {
  const { rows } = await chain.cloud.query('SELECT id, phone FROM pupil ORDER BY id');
  return Object.fromEntries(rows.map(({ id, phone }) => [id, phone]));
};
const conflicts = async () =>
  (await chain.cloud.query(`SELECT row_key, status, rule, detail, campus_at FROM sync.conflict`)).rows;
const conflictOf = async (id: number) =>
  (await conflicts()).find(({ row_key }) => JSON.parse(row_key).id === String(id));

/** The parts of a box that know of time, on a machine whose wall clock the test owns, in front of the real relay. */
class Box {
  readonly world = new World();
  readonly #dir = mkdtempSync(join(tmpdir(), 'skooly-clock-'));
  readonly #file = memoryFile();
  readonly log: SyncLog;
  #clock: CampusClock;
  #lsn = 0;

  constructor() {
    this.world.realUs = Date.now() * 1_000;
    this.#clock = this.#start();
    this.log = SyncLog.open(this.#dir, () => false, { stamp: (at) => this.#clock.stamp(at) });
  }

  writes(id: number): void {
    this.#catchUp();
    this.log.append([
      {
        endLsn: ++this.#lsn,
        committedAt: Math.max(0, this.world.wallUs()),
        origin: null,
        messages: [],
        changes: [
          {
            table: 'public.pupil',
            key: { id: String(id) },
            op: 'update',
            before: { phone: 'start' },
            after: { phone: 'campus' },
            whole: { id: String(id), campus: 'mvan', phone: 'campus' },
            wholeBefore: { id: String(id), campus: 'mvan', phone: 'start' },
          },
        ],
      },
    ]);
  }

  meetsTheCloud(): void {
    this.#catchUp();
    const answered = this.#clock.exchange();
    answered(this.world.realUs / 1_000);
  }

  powerCut(): void {
    this.world.powerCut(Date.now() * 1_000 - this.world.realUs);
    this.#clock = this.#start();
  }

  async push(): Promise<void> {
    const relay = new RelayClient({ relayUrl: chain.relayUrl, session: chain.session });
    const boots = (named: ReadonlySet<string>) => this.#clock.boots(named);
    const parts = {
      log: this.log,
      relay,
      ready: new ReadyRuns(this.log, (lines) => relay.pack(lines)),
      batchSize: new BatchSize(),
      monotonicMs: () => performance.now(),
      boots,
    };
    await drain({ ...parts, onAnswer() {} }, AbortSignal.timeout(30_000));
  }

  [Symbol.dispose](): void {
    this.log.close();
    rmSync(this.#dir, { recursive: true });
  }

  #start(): CampusClock {
    return new CampusClock(this.world.machine(), this.#file, (error) => {
      throw error;
    });
  }

  #catchUp(): void {
    this.world.pass(Math.max(0, Date.now() * 1_000 - this.world.realUs));
  }
}

describe('by newest, the one who wrote last wins', () => {
  test('though the clock of the campus stood at 1970 when it wrote', async () => {
    await start();
    using box = new Box();
    box.world.wallErrorUs = -box.world.realUs;
    box.writes(1);
    await cloudWrites(1);
    await cloudWrites(2);
    box.writes(2);
    box.meetsTheCloud();
    await box.push();
    expect(await phones()).toMatchObject({ 1: 'cloud', 2: 'campus' });
    expect((await conflicts()).map(({ status, detail }) => [status, detail])).toEqual([
      ['settled', null],
      ['settled', null],
    ]);
    expect((await conflictOf(1))?.campus_at.slice(0, 4)).toBe(String(new Date().getUTCFullYear()));
  });

  test('though the clock of the campus jumped ahead during the cut, and back again', async () => {
    await start();
    using box = new Box();
    box.meetsTheCloud();
    box.world.wallErrorUs = 3 * day;
    box.writes(1);
    await cloudWrites(1);
    await cloudWrites(2);
    box.world.wallErrorUs = -3 * day;
    box.writes(2);
    await box.push();
    expect(await phones()).toMatchObject({ 1: 'cloud', 2: 'campus' });
    expect((await conflicts()).map(({ status }) => status)).toEqual(['settled', 'settled']);
  });

  test('as far as the bounds of a boot that never met the cloud tell; where they do not, a person decides', async () => {
    await start();
    using box = new Box();
    await cloudWrites(1);
    box.meetsTheCloud();
    box.powerCut();
    box.world.wallErrorUs = -box.world.realUs;
    for (const id of [1, 2, 3, 4]) box.writes(id);
    await cloudWrites(2);
    box.powerCut();
    box.meetsTheCloud();
    await cloudWrites(3);
    await box.push();
    expect(await phones()).toMatchObject({ 1: 'campus', 2: 'cloud', 3: 'cloud', 4: 'campus' });
    expect(await conflictOf(1)).toMatchObject({ status: 'settled', detail: null });
    expect(await conflictOf(2)).toMatchObject({
      status: 'open',
      rule: '{"phone": "newest"}',
      detail: expect.stringMatching(/^The clock of the box was not certain: .* between 20.* and 20/),
    });
    expect(await conflictOf(3)).toMatchObject({ status: 'settled', detail: null });
    expect(await conflictOf(4)).toBeUndefined();
  });

  test('and nothing that may have been written at any time wins, whatever its own clock says', async () => {
    await start();
    using box = new Box();
    box.world.wallErrorUs = 40 * day;
    await cloudWrites(1);
    box.writes(1);
    // The time that a boot has stood without an answer: the push goes on without one.
    const pushing = box.push();
    await expect.poll(() => box.world.timers.length).toBe(1);
    for (const ring of box.world.timers) ring();
    await pushing;
    expect(await phones()).toMatchObject({ 1: 'cloud' });
    expect(await conflictOf(1)).toMatchObject({ status: 'open' });
  });
});

test('a Postgres whose clock stands at 1970 is corrected all the way from its WAL', async () => {
  const startedUs = Date.now() * 1_000;
  const wallUs = () => Date.now() * 1_000 - startedUs + 300_000_000;
  const machine = { ...thisMachine(() => () => {}), wallUs };
  const clock = new CampusClock(machine, memoryFile(), (error) => {
    throw error;
  });
  await start({ clock });
  await chain.connect();
  await chain.settled();
  await chain.disconnect();
  await campusWritesAt(wallUs(), 1);
  await cloudWrites(1);
  await cloudWrites(2);
  await campusWritesAt(wallUs(), 2);
  clock.exchange()(Date.now());
  await chain.connect();
  await chain.settled();
  expect(await phones()).toMatchObject({ 1: 'cloud', 2: 'campus' });
  const { rows } = await chain.campus.query('SELECT id, phone FROM pupil WHERE id < 3 ORDER BY id');
  expect(rows.map(({ phone }) => phone)).toEqual(['cloud', 'campus']);
  const { rows: logged } = await chain.campus.query(
    'SELECT extract(year FROM pg_xact_commit_timestamp(xmin)) AS year FROM pupil WHERE id = 2',
  );
  expect(logged).toEqual([{ year: '1970' }]);
});

/** A commit under an origin may name its own time: the nearest thing to a Postgres whose clock is wrong. */
async function campusWritesAt(us: number, id: number): Promise<void> {
  const { campus } = chain;
  const origin = `clock_test_${process.pid}`;
  await campus.query('SELECT pg_replication_origin_create($1)', [origin]);
  try {
    await campus.query('SELECT pg_replication_origin_session_setup($1)', [origin]);
    await campus.query('BEGIN');
    await campus.query(
      `SELECT pg_replication_origin_xact_setup('0/1', to_timestamp($1::numeric / 1000000))`,
      [us],
    );
    await campus.query(`UPDATE pupil SET phone = 'campus' WHERE id = $1`, [id]);
    await campus.query('COMMIT');
  } finally {
    await campus.query('SELECT pg_replication_origin_session_reset()');
    await campus.query('SELECT pg_replication_origin_drop($1)', [origin]);
  }
}
