import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomOf } from '../chaos/random.ts';
import { type Group, runWriter, type Writer } from '../chaos/workload/groups.ts';
import { gatherPeople } from '../chaos/workload/people.ts';
import { verifyLedger } from '../lab/day/day.ts';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { query, until } from './steps.ts';

const seed = 20_260_301;
const campuses = 3;
const workMs = 3_000;
const restSeconds = 120;
const today = new Date().toISOString().slice(0, 10);

let world: TestLab;
const lab = () => world.lab;

beforeAll(async () => {
  world = await startTestLab({ campuses });
});
afterAll(() => world?.close());

function writer(campus: string, side: 'cloud' | 'campus', label: string): Writer {
  const url = lab().addresses(campus)[side].postgres;
  const counts = { acknowledged: 0, uncertain: 0, refused: 0 };
  const random = randomOf(seed, campus, side, label);
  return { url, campus, label: `${label} ${campus} ${side}`, random, groups: [], problems: [], counts };
}

async function write(writers: readonly Writer[], signal: AbortSignal): Promise<void> {
  await Promise.all(writers.map((one) => runWriter(one, signal)));
}

async function expectAllEqual(): Promise<void> {
  const report = await lab().verify({ waitSeconds: restSeconds });
  expect(report, JSON.stringify(report.differences, null, 2)).toMatchObject({ equal: true });
}

/** What each group says in the cloud; the campuses were compared with it. */
async function expectGroups(groups: readonly Group[]): Promise<void> {
  const rows = await query(
    lab(),
    'cloud',
    `select family_name as name, count(*)::int as rows, min(guardian_name) as low, max(guardian_name) as high from pupil where updated_by = 'chaos' group by 1`,
  );
  const found = new Map(rows.map((row) => [row.name, row]));
  for (const { name, size, possible } of groups) {
    const row = found.get(name);
    expect(possible, name).toContain(row?.low ?? null);
    if (row !== undefined) expect(row, name).toMatchObject({ rows: size, high: row.low });
  }
}

const money = async () =>
  (
    await query(lab(), 'cloud', 'select count(*)::int as payments, sum(amount)::text as amount from payment')
  )[0];
const epoch = async () => (await query(lab(), 'cloud', 'select epoch from sync.site'))[0]?.epoch;

test('a cloud that goes back in time while its campuses work on is given back all that they had', async () => {
  // Before the writers: what they delete, people know nothing of.
  const people = await Promise.all(
    lab().campuses.map((name) => gatherPeople(lab().addresses(name), randomOf(seed, name), today)),
  );
  const backup = await lab().cloud.backUp();
  const both = lab().campuses.flatMap((name) => [writer(name, 'cloud', 'A'), writer(name, 'campus', 'A')]);
  await write(both, AbortSignal.timeout(workMs));
  await expectAllEqual();
  const past = await lab().cloud.now();
  const before = await epoch();

  const lost = AbortSignal.timeout(workMs);
  const work = people.map((some) => some.work(randomOf(seed, some.campus, 'lost'), lost));
  await write(both, lost);
  const ledgers = await Promise.all(work);
  await expectAllEqual();
  const had = await money();

  const onCampus = lab().campuses.map((name) => writer(name, 'campus', 'B'));
  const restored = new AbortController();
  const working = write(onCampus, restored.signal);
  await lab().cloud.restore(backup, past);
  await until('the relay has begun another epoch', async () => (await epoch()) !== before, 60_000);
  await sleep(workMs);
  restored.abort();
  await working;

  await expectAllEqual();
  await expectGroups([...both, ...onCampus].flatMap(({ groups }) => groups));
  expect([...both, ...onCampus].flatMap(({ problems }) => problems)).toEqual([]);
  expect(await money()).toEqual(had);
  for (const ledger of ledgers) {
    const { cloud, campus } = lab().addresses(ledger.campus);
    const urls = { cloudDatabaseUrl: cloud.postgres, campusDatabaseUrl: campus.postgres };
    const report = await verifyLedger(ledger, urls);
    expect(report, JSON.stringify(report.firstDifferences, null, 2)).toMatchObject({ ok: true });
  }
  for (const one of people) await one[Symbol.asyncDispose]();
});
