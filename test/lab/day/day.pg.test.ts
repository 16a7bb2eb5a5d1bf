import { afterEach, expect, test } from 'vitest';
import { seededRandom } from '../../../apps/skooly/src/seed/random.ts';
import { defaultSeedNumber, seed } from '../../../apps/skooly/src/seed/seed.ts';
import { type LabSites, openLabSites, openSite } from '../../../apps/skooly/src/testing/lab-sites.ts';
import { type DayLedger, runSchoolDay, verifyLedger } from './day.ts';

const open: { close(): PromiseLike<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** Two sites over one database: what one writes, the other has at once. */
async function openWorld(): Promise<{ lab: LabSites; gatewayUrl: string; cloudUrl: string }> {
  const lab = await openLabSites();
  open.push({ close: () => lab[Symbol.asyncDispose]() });
  const urls: string[] = [];
  for (const keys of [lab.campus.keys, lab.cloud.keys]) {
    const { server } = await openSite(lab.database, keys, Date.now);
    urls.push(await server.listen({ host: '127.0.0.1', port: 0 }));
    open.push(server);
  }
  const [gatewayUrl = '', cloudUrl = ''] = urls;
  return { lab, gatewayUrl, cloudUrl };
}

const bothSides = ({ url }: LabSites) => ({ cloudDatabaseUrl: url, campusDatabaseUrl: url });

async function aDay(minutes: number): Promise<{ lab: LabSites; ledger: DayLedger }> {
  const { lab, gatewayUrl, cloudUrl } = await openWorld();
  const random = seededRandom(5).next;
  return { lab, ledger: await runSchoolDay({ gatewayUrl, cloudUrl, campus: 'mvan', minutes, random }) };
}

test('a day does all that people do, from both sides, and all of it is found afterwards', async () => {
  const { lab, ledger } = await aDay(0.05);
  expect(ledger.requests).toMatchObject({ unacknowledged: 0, refused: 0 });
  expect(ledger.served.mvan).toBeGreaterThan(28);
  expect(ledger.served.cloud).toBeGreaterThan(10);
  const report = await verifyLedger(ledger, bothSides(lab));
  expect(report.firstDifferences).toEqual([]);
  expect(report).toMatchObject({ ok: true, differences: 0, settledByConflict: 0 });
  expect(report.acknowledged).toMatchObject({ 'roll-call': expect.any(Number), mark: expect.any(Number) });
  expect(Object.keys(report.acknowledged).sort()).toEqual(
    ['attendance', 'mark', 'payment', 'pupil', 'receipt', 'roll-call'].sort(),
  );
});

test('whatever is lost or changed behind the back of the day is found', async () => {
  const { lab, ledger } = await aDay(0);
  const lost = ledger.writes.find(({ kind }) => kind === 'receipt')?.rowKey.id;
  await lab.database.query('delete from receipt where id = $1', [lost]);
  const changed = ledger.writes.filter(({ kind }) => kind === 'pupil').at(-1)?.rowKey.id;
  await lab.database.query(
    "update pupil set guardian_phone = '237650000000', guardian_name = 'personne' where id = $1",
    [changed],
  );
  const report = await verifyLedger(ledger, bothSides(lab));
  expect(report.ok).toBe(false);
  expect(report.firstDifferences).toContainEqual(expect.objectContaining({ why: 'missing', id: lost }));
  expect(report.firstDifferences).toContainEqual(
    expect.objectContaining({ why: 'not what was acknowledged', id: changed }),
  );
});

test('a value that gave way is accounted for when a row of sync.conflict names it', async () => {
  const { lab, ledger } = await aDay(0);
  const edit = ledger.writes.filter(({ kind }) => kind === 'pupil').at(-1);
  const [column = '', value] = Object.entries(edit?.columns ?? {})[0] ?? [];
  const id = edit?.rowKey.id;
  const other = column === 'guardian_phone' ? '237650000000' : 'personne';
  await lab.database.query(`update pupil set ${column} = $1 where id = $2`, [other, id]);
  expect((await verifyLedger(ledger, bothSides(lab))).differences).toBe(1);
  await lab.database.query(`create schema sync;
    create table sync.conflict (id uuid primary key default gen_random_uuid(), kind text, table_name text,
      row_key jsonb, before jsonb, campus_value jsonb, cloud_value jsonb, result jsonb)`);
  await lab.database.query(
    `insert into sync.conflict (kind, table_name, row_key, campus_value, cloud_value)
     values ('update_differs', 'public.pupil', $1, $2, $3)`,
    [{ id }, { [column]: value }, { [column]: other }],
  );
  expect(await verifyLedger(ledger, bothSides(lab))).toMatchObject({ ok: true, settledByConflict: 1 });
});

test('a site that is behind is told apart from a value that was lost', async () => {
  const { lab, ledger } = await aDay(0);
  const behind = await openLabSites();
  open.push({ close: () => behind[Symbol.asyncDispose]() });
  await seed(behind.database, { size: 'small', seedNumber: defaultSeedNumber });
  const report = await verifyLedger(ledger, { cloudDatabaseUrl: lab.url, campusDatabaseUrl: behind.url });
  expect(report.ok).toBe(false);
  expect(new Set(report.firstDifferences.map(({ why }) => why))).toEqual(new Set(['sites differ']));
});

test('the same request is sent again until it is answered, and counts once', async () => {
  const { lab, gatewayUrl, cloudUrl } = await openWorld();
  const random = seededRandom(6).next;
  const flaky = seededRandom(9);
  const { server } = await openSite(lab.database, lab.campus.keys, Date.now);
  open.push(server);
  server.addHook('onRequest', async (_request, reply) => {
    if (flaky.chance(0.25)) return reply.code(503).send({ code: 'OUTCOME_UNKNOWN', message: 'not known' });
  });
  server.addHook('preSerialization', async (request, _reply, payload) => {
    if (request.method !== 'GET' && request.url !== '/api/login' && flaky.chance(0.25)) request.raw.destroy();
    return payload;
  });
  const flakyUrl = await server.listen({ host: '127.0.0.1', port: 0 });
  const ledger = await runSchoolDay({
    gatewayUrl: flakyUrl,
    cloudUrl,
    campus: 'mvan',
    minutes: 0.02,
    random,
  });
  expect(gatewayUrl).not.toBe(flakyUrl);
  expect(ledger.requests.repeated).toBeGreaterThan(10);
  expect(ledger.requests).toMatchObject({ unacknowledged: 0, refused: 0 });
  const report = await verifyLedger(ledger, bothSides(lab));
  expect(report.firstDifferences).toEqual([]);
});

test('a day that is called off ends at once and still has its ledger', async () => {
  const { lab, gatewayUrl, cloudUrl } = await openWorld();
  const stop = new AbortController();
  const random = seededRandom(7).next;
  const started = Date.now();
  const ledger = await runSchoolDay({
    gatewayUrl,
    cloudUrl,
    campus: 'mvan',
    minutes: 10,
    random,
    signal: stop.signal,
    report: () => stop.abort(),
  });
  expect(Date.now() - started).toBeLessThan(60_000);
  expect(ledger.writes.length).toBeGreaterThan(0);
  expect((await verifyLedger(ledger, bothSides(lab))).firstDifferences).toEqual([]);
});
