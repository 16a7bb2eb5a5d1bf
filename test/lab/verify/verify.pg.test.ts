import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/postgres.ts';
import { type Comparison, compareSites } from './verify.ts';

const schema = `
  create table pupil (id uuid, campus_id text, born timestamptz, fee numeric, primary key (id));
  create table subject (code text, level int, name text, primary key (code, level));
  create schema sync;
  create table sync.conflict (id uuid primary key, campus text);`;

describe('verify', () => {
  const dir = mkdtempSync(join(tmpdir(), 'skooly-lab-test-'));
  let databases: { cloud: TestDatabase; campus: TestDatabase };

  beforeAll(async () => {
    databases = {
      cloud: await createDatabase('verify_cloud'),
      campus: await createDatabase('verify_campus'),
    };
    const tables = {
      'public.pupil': { scope: 'campus_id', policy: 'newest' },
      'public.subject': { scope: null, policy: 'cloud' },
    };
    writeFileSync(join(dir, 'sync-map.json'), JSON.stringify({ version: 1, database: 'school', tables }));
    await on('cloud', schema);
    await on('campus', schema);
  });
  beforeEach(async () => {
    for (const site of ['cloud', 'campus'] as const) await on(site, 'truncate pupil, subject, sync.conflict');
  });
  afterAll(async () => {
    await databases.cloud.drop();
    await databases.campus.drop();
    rmSync(dir, { recursive: true, force: true });
  });

  async function on(site: 'cloud' | 'campus', sql: string): Promise<void> {
    const client = new pg.Client({ connectionString: databases[site].url });
    await client.connect();
    await client.query(sql);
    await client.end();
  }

  function compare(
    options: { pending?: () => Promise<number | null>; waitSeconds?: number } = {},
  ): Promise<Comparison> {
    return compareSites({
      cloudUrl: databases.cloud.url,
      campusUrl: databases.campus.url,
      syncMapFile: join(dir, 'sync-map.json'),
      campus: 'mvan',
      pending: options.pending ?? (async () => 0),
      waitSeconds: options.waitSeconds ?? 0,
    });
  }

  const uuid = (n: number) => `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;

  test('finds both sides equal, and leaves the rows of other campuses alone', async () => {
    const own = `insert into pupil values ('${uuid(1)}', 'mvan', '2026-01-01 08:00:00.123456+01', 7500.10)`;
    await on('cloud', own);
    await on('campus', own);
    await on('cloud', `insert into pupil values ('${uuid(2)}', 'bonaberi', now(), 1)`);
    expect(await compare()).toMatchObject({ equal: true, rows: 1, differences: [] });
  });

  test('names what is on one side only, and the columns that differ, to the last digit', async () => {
    await on(
      'cloud',
      `insert into pupil values ('${uuid(1)}', 'mvan', '2026-01-01 08:00:00.123456+01', 7500.1)`,
    );
    await on(
      'campus',
      `insert into pupil values ('${uuid(1)}', 'mvan', '2026-01-01 08:00:00.123457+01', 7500.10)`,
    );
    await on('cloud', `insert into subject values ('math', 1, 'Mathématiques')`);
    await on('campus', `insert into subject values ('math', 10, 'Mathématiques')`);
    const { equal, differences } = await compare();
    expect(equal).toBe(false);
    expect(differences).toEqual([
      {
        table: 'public.pupil',
        key: { id: uuid(1) },
        kind: 'differs',
        columns: {
          born: { campus: '2026-01-01 07:00:00.123457+00', cloud: '2026-01-01 07:00:00.123456+00' },
          fee: { campus: '7500.10', cloud: '7500.1' },
        },
      },
      { table: 'public.subject', key: { code: 'math', level: '1' }, kind: 'only_in_cloud', columns: {} },
      { table: 'public.subject', key: { code: 'math', level: '10' }, kind: 'only_on_campus', columns: {} },
    ]);
  });

  test('counts a row that does not belong to this campus as a difference', async () => {
    const foreign = `insert into pupil values ('${uuid(3)}', 'bonaberi', null, null)`;
    await on('cloud', foreign);
    await on('campus', foreign);
    expect(await compare()).toMatchObject({ equal: false, differences: [{ kind: 'only_on_campus' }] });
  });

  test('compares tables of many chunks, and shows the first differences only', async () => {
    const rows = (from: number) =>
      `insert into subject select 'subject é' || n, n, md5(n::text) from generate_series(${from}, 30000) n`;
    await on('cloud', rows(1));
    await on('campus', rows(51));
    const { tables, differences } = await compare();
    expect(tables[1]).toEqual({
      table: 'public.subject',
      campusRows: 29_950,
      cloudRows: 30_000,
      differing: 50,
    });
    expect(differences).toHaveLength(20);
  });

  test('waits for what is pending', async () => {
    await on('cloud', `insert into subject values ('late', 1, 'x')`);
    let asked = 0;
    const pending = async () => {
      asked += 1;
      if (asked === 3) await on('campus', `insert into subject values ('late', 1, 'x')`);
      return asked < 3 ? 1 : 0;
    };
    expect(await compare({ pending, waitSeconds: 20 })).toMatchObject({ equal: true });
    expect(await compare({ pending: async () => 1 })).toMatchObject({ equal: false, pendingTransactions: 1 });
  });
});
