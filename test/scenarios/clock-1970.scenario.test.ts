import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestLab, type TestLab, temporaryFolder } from '../support/lab.ts';
import { expectEqual, query, untilState } from './steps.ts';

/** Debian's package libfaketime. */
const library = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((path) => existsSync(path));
const boxProcesses = ['campus-postgres', 'campus-skooly', 'appliance'] as const;
const dayMs = 24 * 60 * 60 * 1000;

let world: TestLab;
const clockFile = join(temporaryFolder(), 'clock');
const lab = () => world.lab;

/** How far the clock of the box is from the true one. */
const setBoxClock = (offsetSeconds: number) =>
  writeFileSync(clockFile, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`, { mode: 0o644 });

beforeAll(async () => {
  setBoxClock(0);
  const env = {
    LD_PRELOAD: String(library),
    FAKETIME_TIMESTAMP_FILE: clockFile,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  world = await startTestLab({ env: Object.fromEntries(boxProcesses.map((name) => [name, env])) });
});
afterAll(() => world?.close());

const pupils = async () =>
  (
    await query(lab(), 'cloud', "select matricule from pupil where campus_id = 'mvan' order by 1 limit 3")
  ).map(({ matricule }) => matricule as string);
const call = (side: 'cloud' | 'campus', pupil: string, phone: string) =>
  query(lab(), side, `update pupil set guardian_phone = '${phone}' where matricule = '${pupil}'`);

test('the machine has libfaketime', () => {
  expect(library, 'apt-get install faketime').toBeDefined();
});

test('a box that starts in 1970 in a cut serves, and what it wrote is dated rightly afterwards', async () => {
  const [campusLater, cloudLater, campusAlone] = (await pupils()) as [string, string, string];
  await lab().cable.cut();
  await untilState(lab(), 'LOCAL');
  for (const name of [...boxProcesses].reverse()) await lab().kill(name, 'SIGKILL', { hold: true });
  setBoxClock(-Math.round((Date.now() - 3 * dayMs) / 1000));
  for (const name of boxProcesses) await lab().start(name);
  const clock = await query(lab(), 'campus', 'select extract(year from now())::int as year');
  expect(clock).toEqual([{ year: 1970 }]);
  await untilState(lab(), 'LOCAL');

  await call('cloud', campusLater, '237699000021');
  await call('campus', cloudLater, '237699000022');
  await call('campus', campusAlone, '237699000023');
  // What lies closer together than the clocks are measured is for a person to settle.
  await sleep(400);
  const between = Date.now();
  await call('cloud', cloudLater, '237699000024');
  await call('campus', campusLater, '237699000025');
  lab().cable.heal();
  await untilState(lab(), 'ONLINE');
  await expectEqual(lab());
  const said = readFileSync(lab().world.layout.log('appliance'), 'utf8');
  expect(said).toContain('by this clock a certificate of the cloud is not valid');

  const found = await query(
    lab(),
    'cloud',
    `select matricule, guardian_phone as phone from pupil where guardian_phone like '23769900002%' order by 1`,
  );
  expect(new Map(found.map(({ matricule, phone }) => [matricule, phone]))).toEqual(
    new Map([
      [campusLater, '237699000025'],
      [cloudLater, '237699000024'],
      [campusAlone, '237699000023'],
    ]),
  );
  const conflicts = await query(
    lab(),
    'cloud',
    `select status, abs(extract(epoch from campus_at) * 1000 - ${between})::float8 as off from sync.conflict`,
  );
  expect(conflicts).toHaveLength(2);
  for (const { status, off } of conflicts) {
    expect(status).toBe('settled');
    expect(off).toBeLessThan(dayMs / 24);
  }
});
