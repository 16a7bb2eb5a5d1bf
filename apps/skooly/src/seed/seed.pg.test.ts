import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseSyncMap } from '../../../../packages/sync-protocol/src/sync-map/sync-map.ts';
import { openLabSites } from '../testing/lab-sites.ts';
import { plans } from './plans.ts';
import { seededRandom } from './random.ts';
import { defaultSeedNumber, generateSchools, seed } from './seed.ts';

test('the same seed number makes the same schools, another one makes others', async () => {
  const [one, same, other] = await Promise.all(
    [7, 7, 8].map((number) => generateSchools(plans.small, number)),
  );
  expect(same).toEqual(one);
  expect(other?.pupil).not.toEqual(one?.pupil);
});

test('the large school has the size that it should', async () => {
  const rows = await generateSchools(plans.school, defaultSeedNumber);
  const mvan = (table: keyof typeof rows) => rows[table].filter((row) => row.campus_id === 'mvan').length;
  expect([mvan('pupil'), mvan('class'), mvan('staff'), mvan('roll_call')]).toEqual([
    1_200,
    30,
    60,
    60 * 7 * 30,
  ]);
  expect(mvan('mark')).toBeGreaterThan(20_000);
  const proofs = rows.payment.filter((row) => row.operator_transaction !== null);
  expect(new Set(proofs.map((row) => `${row.method} ${row.operator_transaction}`)).size).toBe(proofs.length);
});

test('a database that has a school is left as it is', async () => {
  await using lab = await openLabSites();
  expect(await seed(lab.database, { size: 'small', seedNumber: 1 })).toBeUndefined();
  const { rows } = await lab.database.query('select id from campus order by id');
  expect(rows).toEqual([{ id: 'bonaberi' }, { id: 'mvan' }]);
});

test('the sync map names every table but the record of migrations, with columns and unique keys that exist', async () => {
  await using lab = await openLabSites();
  const file = new URL('../../sync-map.json', import.meta.url);
  const map = parseSyncMap(JSON.parse(readFileSync(file, 'utf8')));
  const { rows } = await lab.database.query<{ name: string; columns: string[]; keys: string[] }>(
    `select 'public.' || c.relname as name,
       array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns,
       array(select conname::text from pg_constraint where conrelid = c.oid and contype in ('u')) as keys
     from pg_class c where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'skooly_migration'`,
  );
  const mapped = [...map.tables.values()].filter(({ table }) => table.startsWith('public.'));
  expect(mapped.map(({ table }) => table).sort()).toEqual(rows.map(({ name }) => name).sort());
  for (const { table, scope, by, columns, unique, direction } of mapped) {
    const real = rows.find(({ name }) => name === table);
    const named = [...Object.keys(columns), ...[scope, by].filter((column) => column !== null)];
    expect(real?.columns).toEqual(expect.arrayContaining(named));
    if (direction === 'both') expect(Object.keys(unique).sort()).toEqual(real?.keys.sort());
  }
});

test('chance is repeatable and stays in bounds', () => {
  const random = seededRandom(3);
  const rolls = Array.from({ length: 1_000 }, () => random.between(1, 6));
  expect(Math.min(...rolls)).toBe(1);
  expect(Math.max(...rolls)).toBe(6);
  expect(rolls.slice(0, 3)).toEqual(
    Array.from(
      { length: 3 },
      (
        (again) => () =>
          again.between(1, 6)
      )(seededRandom(3)),
    ),
  );
});
