import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { measureGateway } from '../bench/gateway.ts';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { expectEqual, query, until, untilState } from './steps.ts';

describe('a campus and its cloud', () => {
  let world: TestLab;
  const lab = () => world.lab;

  beforeAll(async () => {
    world = await startTestLab();
    await untilState(lab(), 'ONLINE');
  });
  afterAll(() => world.close());

  test('writes on campus reach the cloud, and the other way, while online', async () => {
    await query(
      lab(),
      'campus',
      `update pupil set guardian_phone = '237699000001' where matricule = (select min(matricule) from pupil)`,
    );
    await query(
      lab(),
      'cloud',
      `update pupil set guardian_phone = '237699000002' where matricule = (select max(matricule) from pupil where campus_id = 'mvan') and campus_id = 'mvan'`,
    );
    await until('the cloud has the campus’s number', async () => {
      return (
        (await query(lab(), 'cloud', `select from pupil where guardian_phone = '237699000001'`)).length === 1
      );
    });
    await until('the campus has the cloud’s number', async () => {
      return (
        (await query(lab(), 'campus', `select from pupil where guardian_phone = '237699000002'`)).length === 1
      );
    });
    await expectEqual(lab());
  });

  test('the gateway says who served: the cloud, the box during a cut, the cloud again', async () => {
    const site = async () => {
      const response = await fetch(`${lab().addresses().campus.gateway}/healthz`);
      return [response.headers.get('x-skooly-edge-site'), response.headers.get('skooly-site')];
    };
    expect(await site()).toEqual(['cloud', 'cloud']);
    await lab().cable.cut();
    await untilState(lab(), 'LOCAL');
    expect(await site()).toEqual(['box', 'mvan']);
    await lab().cable.heal();
    await untilState(lab(), 'ONLINE');
    expect(await site()).toEqual(['cloud', 'cloud']);
  });

  test('the box has learnt the cloud’s time from the probes of its link', async () => {
    const response = await fetch(`${lab().addresses().campus.admin}/status`);
    const { clock } = (await response.json()) as { clock: unknown };
    expect(clock).toMatchObject({ trusted: true, boot: expect.stringMatching(/^[0-9a-f]{12}\.\d+$/) });
  });

  test('the same column edited on both sides follows its policy and leaves both values, who and when', async () => {
    await lab().cable.cut({ refuse: true });
    const pick = `id = (select min(id::text)::uuid from pupil where campus_id = 'mvan')`;
    await query(lab(), 'cloud', `update pupil set family_name = 'NUAGE' where ${pick}`);
    // Further apart than the box knows the time of the cloud on a busy machine.
    await sleep(500);
    await query(lab(), 'campus', `update pupil set family_name = 'BOITE' where ${pick}`);
    await lab().cable.heal();
    await expectEqual(lab());
    expect(await query(lab(), 'cloud', `select family_name from pupil where ${pick}`)).toEqual([
      { family_name: 'BOITE' },
    ]);
    const [conflict] = await query(
      lab(),
      'campus',
      `select * from sync.conflict order by created_at desc limit 1`,
    );
    expect(conflict).toMatchObject({
      kind: 'update_differs',
      table_name: 'public.pupil',
      campus_value: { family_name: 'BOITE' },
      cloud_value: { family_name: 'NUAGE' },
      status: 'settled',
    });
    for (const field of ['campus_by', 'cloud_by', 'campus_at', 'cloud_at'])
      expect(conflict?.[field], field).toBeTruthy();
  });

  test('a mark edited on both sides waits for a person', async () => {
    await lab().cable.cut({ refuse: true });
    const pick = `id = (select min(id::text)::uuid from mark where campus_id = 'mvan')`;
    await query(lab(), 'cloud', `update mark set value = 11.25 where ${pick}`);
    await query(lab(), 'campus', `update mark set value = 17.50 where ${pick}`);
    await lab().cable.heal();
    await expectEqual(lab());
    const [conflict] = await query(
      lab(),
      'campus',
      `select * from sync.conflict where table_name = 'public.mark'`,
    );
    expect(conflict).toMatchObject({
      status: 'open',
      campus_value: { value: '17.50' },
      cloud_value: { value: '11.25' },
    });
    expect((await lab().status()).sync?.conflictsOpen).toBe(1);
  });

  test('the bench gateway asks the same both ways, from the cloud and from the box, and loses no write', async () => {
    const result = await measureGateway(lab(), { requests: 60, rounds: 1 }, () => {});
    expect(result).toMatchObject({ bench: 'gateway', requests: 60, rounds: 1 });
    for (const { direct, through } of [result.online, result.local])
      for (const way of [direct, through]) expect(way.perSecond).toBeGreaterThan(0);
  });

  test('a transaction of 20,000 rows crosses whole, each way', async () => {
    const rows = (letter: string) => `
      insert into pupil (id, campus_id, matricule, given_names, family_name, sex, born_on, class_id, guardian_name, updated_by)
      select gen_random_uuid(), campus_id, '${letter}' || (100000 + n), given_names, family_name, sex, born_on, class_id, guardian_name, updated_by
      from (select * from pupil where campus_id = 'mvan' limit 1) p, generate_series(1, 20000) n`;
    await query(lab(), 'campus', rows('A'));
    await query(lab(), 'cloud', rows('B'));
    await expectEqual(lab());
    expect(
      await query(lab(), 'cloud', `select count(*)::int as n from pupil where matricule ~ '^[AB][0-9]+$'`),
    ).toEqual([{ n: 40_000 }]);
  });
});
