import { chmodSync, createReadStream, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchivedPostgres, startArchivedPostgres } from '../../../../test/support/archived-postgres.ts';
import type { SealedObject } from '../format/object.ts';
import { ask } from '../restore/postgres/server.ts';
import { restoreDump } from '../restore/restore-dump.ts';
import { type DrillOptions, runDrill } from './drill.ts';

const totals = { fees: 'select sum(amount) from public.fee' };
let live: ArchivedPostgres;
let scratch: string;

beforeAll(async () => {
  live = await startArchivedPostgres({ totals });
  scratch = join(live.dir, 'scratch');
  mkdirSync(scratch);
  chmodSync(scratch, 0o755);
  await live.query('create table fee (id int primary key, amount numeric not null)');
  await live.query('create unlogged table session (id int)');
  await live.query('insert into session values (1)');
  await live.query('insert into fee select n, n * 500 from generate_series(1, 100) n');
  await live.takeBase();
  await live.query('insert into fee select n, n * 500 from generate_series(101, 200) n');
  await live.archive();
  await live.takeDump();
  await live.query('insert into fee values (201, 1)');
  await live.archive();
}, 120_000);
afterAll(() => live?.stop());

const drill = (other: Partial<DrillOptions> = {}) =>
  runDrill({
    id: 'd1',
    site: 'mvan',
    kind: 'base',
    region: 'douala',
    objects: live.objects,
    reader: { ...live.reader, sources: live.reader.sources.slice(1) },
    scratch,
    database: 'postgres',
    totals,
    signal: new AbortController().signal,
    now: () => new Date(),
    nowMs: () => performance.now(),
    ...other,
  });

test('base and WAL give what the dump counted, and Skooly is tried on it', async () => {
  const tried: unknown[] = [];
  const proof = await drill({
    smoke: async (server, database) => {
      tried.push(...(await ask(server.connection(database), 'select count(*)::int as rows from fee')));
    },
  });
  expect(proof).toMatchObject({ passed: true, problems: [], smoke: 'passed', region: 'douala' });
  expect(proof.compared).toMatchObject({ rows: 200, totals: { fees: '10050000' } });
  expect(proof.compared?.with).toContain('/dump/');
  expect(tried).toEqual([{ rows: 200 }]);
  expect(proof.rtoMs).toBeGreaterThan(0);
  expect(readdirSync(scratch)).toEqual([]);
});

test('without a dump since, base and WAL are held against the count right after the base', async () => {
  const proof = await drill({ objects: live.objects.filter(({ kind }) => kind !== 'dump') });
  expect(proof).toMatchObject({ passed: true, compared: { rows: 100 } });
});

test('the drill of a dump restores it with pg_restore and compares it', async () => {
  const proof = await drill({ kind: 'dump' });
  expect(proof).toMatchObject({ passed: true, problems: [], compared: { rows: 201, tables: 2 } });
  expect(readdirSync(scratch)).toEqual([]);
});

test('figures that differ, an application that fails, and an object that is damaged make the drill fail, and say so', async () => {
  const wrong = live.objects.map((object) =>
    object.kind === 'dump'
      ? ({
          ...object,
          about: {
            ...object.about,
            totals: { fees: '1' },
            tables: object.about.tables.map((one) =>
              one.table === 'public.fee' ? { ...one, rows: 7 } : one,
            ),
          },
        } as SealedObject)
      : object,
  );
  const smoke = () => Promise.reject(new Error('the page of fees answers 500'));
  const differs = await drill({ objects: wrong, smoke });
  expect(differs.passed).toBe(false);
  expect(differs.problems).toEqual([
    'public.fee has 200 rows, 7 were backed up',
    'the total fees is 10050000, it was 1',
    'the application does not work on it: the page of fees answers 500',
  ]);
  const name = live.objects.find(({ kind }) => kind === 'base')?.name as string;
  const file = join(live.regions.paris, name);
  const short = join(live.dir, 'short');
  writeFileSync(short, readFileSync(file).subarray(0, 5000));
  const source = { name: 'paris', get: async () => createReadStream(short) };
  const damaged = await drill({ reader: { ...live.reader, sources: [source] } });
  expect(damaged).toMatchObject({ passed: false, rtoMs: null, problems: [expect.stringContaining(name)] });
  expect(readdirSync(scratch)).toEqual([]);
});

test('a dump of a day that has none is refused with the days that there are', async () => {
  const refused = restoreDump({
    objects: live.objects,
    reader: live.reader,
    when: '2020-01-01',
    to: join(scratch, 'never'),
    signal: new AbortController().signal,
    nowMs: () => performance.now(),
  });
  await expect(refused).rejects.toMatchObject({
    code: 'RESTORE_NO_DUMP',
    message: expect.stringContaining('Africa/Douala'),
  });
});
