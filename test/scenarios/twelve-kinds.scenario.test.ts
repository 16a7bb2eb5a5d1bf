import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { conflictKinds } from '@skooly-edge/sync-protocol';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programs } from '../lab/world/layout.ts';
import { cases, readEntry, schema, seed, syncMap } from '../support/conflict-kinds.ts';
import { startTestLab, type TestLab, temporaryFolder } from '../support/lab.ts';
import { expectEqual, type Side, until, untilState } from './steps.ts';

const run = promisify(execFile);

describe('the twelve kinds of conflict, over the cable', () => {
  let database: string;
  let world: TestLab;
  const lab = () => world.lab;

  beforeAll(async () => {
    database = temporaryFolder();
    writeFileSync(join(database, 'schema.sql'), schema);
    writeFileSync(join(database, 'seed.sql'), seed);
    writeFileSync(join(database, 'sync-map.json'), JSON.stringify(syncMap));
    world = await startTestLab({ database });
    await untilState(lab(), 'ONLINE');
    await lab().cable.cut({ refuse: true });
    await untilState(lab(), 'LOCAL');
    for (const { campus, cloud } of Object.values(cases)) {
      for (const sql of campus) await rows('campus', sql);
      for (const sql of cloud) await rows('cloud', sql);
    }
    await lab().cable.heal();
  });
  afterAll(async () => {
    await world?.close();
    rmSync(database, { recursive: true });
  });

  /** Values as Postgres writes them. */
  async function rows(side: Side, sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({
      connectionString: lab().addresses()[side].postgres,
      types: { getTypeParser: () => (value: string) => value },
    });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }

  test.each(conflictKinds)('%s: both sides hold the same entry and the same row', async (kind) => {
    const { entry, stands } = cases[kind];
    const entries = `SELECT * FROM sync.conflict WHERE kind = '${kind}' ORDER BY id`;
    await until('the campus has the entry', async () => (await rows('campus', entries)).length === 1);
    const [here = {}] = await rows('campus', entries);
    expect(await rows('cloud', entries)).toEqual([here]);
    expect(readEntry(here)).toMatchObject({ kind, campus: 'mvan', ...entry });
    const [sql, row] = stands;
    for (const side of ['cloud', 'campus'] as const) expect(await rows(side, sql)).toEqual(row ? [row] : []);
  });

  test('one is decided on campus while the cable is cut, and the decision arrives in the cloud', async () => {
    await rows('cloud', 'ALTER TABLE visit ADD COLUMN mood text');
    await until('the parked visit went through', async () => {
      return (await rows('campus', `SELECT FROM visit WHERE mood = 'merry'`)).length === 1;
    });
    await lab().cable.cut({ refuse: true });
    await untilState(lab(), 'LOCAL');
    const [open] = await rows('campus', `SELECT id FROM sync.conflict WHERE kind = 'update_differs'`);
    const id = String(open?.id);
    const { admin } = lab().addresses().campus;
    const decide = ['decide', id, '--keep', 'campus', '--yes', '--admin', admin];
    await run(process.execPath, [programs.edge, ...decide]);
    const owner = 'SELECT owner FROM house WHERE id = 1';
    expect(await rows('campus', owner)).toEqual([{ owner: 'Abena' }]);
    expect(await rows('cloud', owner)).toEqual([{ owner: 'Biya' }]);
    await lab().cable.heal();
    await expectEqual(lab());
    expect(await rows('cloud', owner)).toEqual([{ owner: 'Abena' }]);
    const entry = `SELECT status FROM sync.conflict WHERE id = '${id}'`;
    expect(await rows('cloud', entry)).toEqual(await rows('campus', entry));
    expect(await rows('cloud', entry)).not.toEqual([{ status: 'open' }]);
  });
});
