import { afterAll, beforeAll, expect, test } from 'vitest';
import { runToEnd } from '../lab/processes/node-process.ts';
import { programs } from '../lab/world/layout.ts';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { sessionOf } from '../support/trust.ts';
import { expectEqual, query, until, untilState } from './steps.ts';

let world: TestLab;
const lab = () => world.lab;

beforeAll(async () => {
  world = await startTestLab();
});
afterAll(() => world?.close());

const phoneOf = async (side: 'cloud' | 'campus', which: 'min' | 'max') =>
  (
    await query(
      lab(),
      side,
      `select guardian_phone as phone from pupil where matricule = (select ${which}(matricule) from pupil where campus_id = 'mvan')`,
    )
  )[0]?.phone;
const call = (side: 'cloud' | 'campus', which: 'min' | 'max', phone: string) =>
  query(
    lab(),
    side,
    `update pupil set guardian_phone = '${phone}' where matricule = (select ${which}(matricule) from pupil where campus_id = 'mvan')`,
  );

test('a box that died in a cut is replaced, and gives the cloud what only its backup still held', async () => {
  await lab().cable.cut();
  await untilState(lab(), 'LOCAL');
  await call('campus', 'min', '237699000011');
  await until('it is in the log', async () => ((await lab().status()).sync?.pendingTransactions ?? 0) === 1);
  // Dead before the cable is mended, or it would still send.
  await lab().kill('appliance', 'SIGKILL', { hold: true });
  lab().cable.heal();
  const saved = await lab().replaceBox();
  await expectEqual(lab());
  expect(await phoneOf('cloud', 'min')).not.toBe('237699000011');

  await call('campus', 'max', '237699000012');
  const { campus } = lab().addresses();
  const command = {
    name: 'adopt-log',
    script: programs.edge,
    args: ['adopt-log', saved, '--admin', campus.admin],
    env: {},
    logFile: lab().world.layout.log('adopt-log'),
  };
  const said = await runToEnd(command, () => {}, AbortSignal.timeout(30_000));
  expect(said).toMatch(/^1 transactions that the cloud had not heard of were pushed/);
  await until('the cloud has both', async () =>
    [await phoneOf('cloud', 'min'), await phoneOf('cloud', 'max')].every((phone) =>
      ['237699000011', '237699000012'].includes(String(phone)),
    ),
  );
  await expectEqual(lab());
  expect(await phoneOf('campus', 'min')).toBe('237699000011');

  const { relay, relayCa } = lab().addresses().cloud;
  const ofTheDead = sessionOf(new URL(relay), lab().world.campus, saved, relayCa);
  await expect(ofTheDead.authorization()).rejects.toMatchObject({ code: expect.stringMatching(/^[A-Z_]+$/) });
});
