import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type DayLedger, runSchoolDay, verifyLedger } from '../lab/day/day.ts';
import type { Lab } from '../lab/lab.ts';
import { seededRandom } from '../lab/seeded-random.ts';
import { startTestLab } from '../support/lab.ts';
import { expectEqual, untilState } from './steps.ts';

const dayMinutes = 0.4;

function startDay(lab: Lab): Promise<DayLedger> {
  const { campus, cloud } = lab.addresses();
  return runSchoolDay({
    gatewayUrl: campus.gateway as string,
    cloudUrl: cloud.skooly as string,
    campus: 'mvan',
    minutes: dayMinutes,
    random: seededRandom(7),
  });
}

async function expectNothingLost(lab: Lab, ledger: DayLedger): Promise<void> {
  await expectEqual(lab);
  const { campus, cloud } = lab.addresses();
  const report = await verifyLedger(ledger, {
    cloudDatabaseUrl: cloud.postgres,
    campusDatabaseUrl: campus.postgres,
  });
  expect(report, JSON.stringify(report, null, 2)).toMatchObject({ ok: true });
}

test('a cut in the middle of a school day loses nothing that was acknowledged', async () => {
  await using world = await startTestLab();
  const { lab } = world;
  await untilState(lab, 'ONLINE');
  const day = startDay(lab);
  await sleep(6_000);
  await lab.cable.cut();
  await untilState(lab, 'LOCAL');
  await sleep(8_000);
  await lab.cable.heal();
  await expectNothingLost(lab, await day);
  expect((await lab.status()).sync).toMatchObject({ pendingTransactions: 0 });
});

test('a cable that flaps all day loses nothing that was acknowledged', async () => {
  await using world = await startTestLab();
  const { lab } = world;
  await untilState(lab, 'ONLINE');
  const day = startDay(lab);
  for (let round = 0; round < 6; round++) {
    await sleep(1_500 + 300 * round);
    await lab.cable.cut({ refuse: round % 2 === 0 });
    await sleep(900 + 200 * round);
    await lab.cable.heal();
  }
  await expectNothingLost(lab, await day);
});
