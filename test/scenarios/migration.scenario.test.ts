import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSecret } from '../lab/world/keys.ts';
import { programs } from '../lab/world/layout.ts';
import { roleUrl } from '../lab/world/postgres-process.ts';
import { APP_ROLE } from '../lab/world/world.ts';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { expectEqual, query, until, untilState } from './steps.ts';

const run = promisify(execFile);

const sql = `
  ALTER TABLE pupil ADD COLUMN house text NOT NULL DEFAULT 'none';
  CREATE TABLE club (
    id int PRIMARY KEY,
    campus_id text NOT NULL REFERENCES campus,
    name text NOT NULL,
    leader uuid REFERENCES pupil
  );`;

describe('a migration of the cloud during a cut', () => {
  let world: TestLab;
  let folder: string;
  const lab = () => world.lab;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skooly-migration-'));
    world = await startTestLab();
    await untilState(lab(), 'ONLINE');
  });
  afterAll(async () => {
    await world.close();
    rmSync(folder, { recursive: true });
  });

  test('is taken in when the cable is back: both sides wrote meanwhile, nothing is lost, and nothing is copied anew', async () => {
    const before = await query(lab(), 'campus', 'select seeded_until from sync.cursor');
    await lab().cable.cut({ refuse: true });
    await untilState(lab(), 'LOCAL');
    expect(await publish()).toContain('004-house-and-club.sql is applied here and published');
    await writeInTheCloud();
    await query(lab(), 'campus', `update pupil set given_names = 'CAMPUS' where ${pupil('max')}`);
    await query(lab(), 'campus', newPupil('C1'));
    await lab().cable.heal();
    await until('the campus has migrated', async () => /number 4, as in the cloud/.test(await status()));
    await query(lab(), 'campus', `insert into club values (3, 'mvan', 'Danse', null)`);
    await query(lab(), 'campus', `update pupil set house = 'vert' where ${pupil('max')}`);
    await expectEqual(lab());
    for (const column of ['house', 'given_names']) expect(await both(column)).toEqual(true);
    const clubs = `select id, name, (leader is not null)::text as led from club where campus_id = 'mvan' order by id`;
    expect(await query(lab(), 'campus', clubs)).toEqual([
      { id: 1, name: 'Théâtre', led: 'true' },
      { id: 2, name: 'Échecs', led: 'false' },
      { id: 3, name: 'Danse', led: 'false' },
    ]);
    await until('the cloud has the club of the campus', async () => {
      const [campus, cloud] = [await query(lab(), 'campus', clubs), await query(lab(), 'cloud', clubs)];
      return JSON.stringify(campus) === JSON.stringify(cloud);
    });
    expect(await query(lab(), 'campus', 'select seeded_until from sync.cursor')).toEqual(before);
    expect(await query(lab(), 'campus', 'select 1 from sync.unknown_value, sync.unknown_change')).toEqual([]);
  });

  test('is known to Skooly itself: its own migrate finds it on both sides and has nothing to do', async () => {
    for (const side of ['cloud', 'campus'] as const) {
      const [row] = await query(lab(), side, `select name from skooly_migration order by name desc limit 1`);
      expect(row).toEqual({ name: '004-house-and-club.sql' });
    }
  });

  /** As an operator does it, with the release key that no server has. */
  async function publish(): Promise<string> {
    const { keys, ports, database, syncMapFile } = lab().world;
    const file = join(folder, '004-house-and-club.sql');
    const mapFile = join(folder, 'sync-map.json');
    writeFileSync(file, sql);
    const map = JSON.parse(readFileSync(syncMapFile, 'utf8'));
    map.tables['public.club'] = { scope: 'campus_id', policy: 'newest' };
    writeFileSync(mapFile, JSON.stringify(map));
    const owner = roleUrl(APP_ROLE, readSecret(keys.cloudAppPassword), ports.cloudPostgres, database);
    const options = ['--key', keys.releaseKey, '--admin-url', owner, '--sync-map', mapFile];
    const { stdout } = await run(process.execPath, [programs.relay, 'publish-migration', file, ...options]);
    return stdout;
  }

  async function writeInTheCloud(): Promise<void> {
    await query(lab(), 'cloud', `update pupil set house = 'rouge' where campus_id = 'mvan'`);
    await query(
      lab(),
      'cloud',
      `update pupil set house = 'bleu', family_name = 'NUAGE' where ${pupil('min')}`,
    );
    await query(lab(), 'cloud', newPupil('N1'));
    await query(
      lab(),
      'cloud',
      `insert into club select 1, 'mvan', 'Théâtre', id from pupil where ${pupil('min')};
       insert into club values (2, 'mvan', 'Echecs', null);
       update club set name = 'Échecs' where id = 2`,
    );
  }

  async function status(): Promise<string> {
    const { admin } = lab().addresses().campus;
    const { stdout } = await run(process.execPath, [programs.edge, 'status', '--admin', admin]);
    return stdout;
  }

  /** Whether a column of all pupils of the campus is the same on both sides. */
  async function both(column: string): Promise<boolean> {
    const values = `select id, ${column} from pupil where campus_id = 'mvan' order by id`;
    return (
      JSON.stringify(await query(lab(), 'campus', values)) ===
      JSON.stringify(await query(lab(), 'cloud', values))
    );
  }

  const pupil = (which: 'min' | 'max') =>
    `id = (select ${which}(id::text)::uuid from pupil where campus_id = 'mvan')`;

  /** With whatever columns the side has. */
  const newPupil = (matricule: string) => `
    insert into pupil (id, campus_id, matricule, given_names, family_name, sex, born_on, class_id, guardian_name, updated_by)
    select gen_random_uuid(), campus_id, '${matricule}-NEW', given_names, family_name, sex, born_on, class_id, guardian_name, updated_by
    from pupil where campus_id = 'mvan' limit 1`;
});
