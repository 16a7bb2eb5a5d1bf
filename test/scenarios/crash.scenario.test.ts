import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestLab, type TestLab } from '../support/lab.ts';
import { expectEqual, query, until, untilState } from './steps.ts';

/** Several batches on a link that takes seconds for them, so that there is a middle to be killed in. */
const backlog = 2_000;
const link = { kbps: 200, rttMs: 40, lossPct: 0 };
const points = [0.05, 0.5, 0.95];

describe('kill -9 in the middle of draining a backlog', () => {
  let world: TestLab;
  const lab = () => world.lab;

  beforeAll(async () => {
    world = await startTestLab();
    await untilState(lab(), 'ONLINE');
    lab().cable.shape(link);
  });
  afterAll(() => world.close());

  /** Single-row transactions on both sides, of which some touch the same rows. */
  async function makeBacklog(label: string): Promise<void> {
    const write = (side: 'cloud' | 'campus') =>
      query(
        lab(),
        side,
        `do $$ declare p record; begin
           for p in select id, row_number() over (order by id) as n from pupil where campus_id = 'mvan' order by id loop
             for k in 1 .. greatest(1, ${backlog} / (select count(*)::int from pupil where campus_id = 'mvan')) loop
               update pupil set ${side === 'cloud' ? 'given_names' : 'family_name'} = '${label} ' || k where id = p.id;
               if p.n % 7 = 0 then update pupil set guardian_phone = '2376${side === 'cloud' ? 1 : 2}' || lpad((k * 1000 + p.n)::text, 7, '0') where id = p.id; end if;
               commit;
             end loop;
           end loop; end $$`,
      );
    await Promise.all([write('cloud'), write('campus')]);
  }

  async function drained(): Promise<number> {
    const { sync } = await lab().status();
    return sync ? sync.pendingTransactions : Number.POSITIVE_INFINITY;
  }

  for (const victim of ['appliance', 'relay', 'cloud-postgres', 'campus-postgres'] as const) {
    test(`${victim}, at three points: both sites converge and nothing is applied twice`, async () => {
      for (const point of points) {
        await lab().cable.cut({ refuse: true });
        await makeBacklog(`${victim} ${point}`);
        await until('the backlog is logged', async () => (await drained()) >= backlog / 2);
        const full = await drained();
        await lab().cable.heal();
        await until('some of it is drained', async () => (await drained()) <= full * (1 - point));
        await lab().kill(victim);
        await lab().start(victim);
        await expectEqual(lab());
      }
      const twice = await query(
        lab(),
        'cloud',
        'select campus_epoch, campus_seq, row_key from sync.conflict group by 1, 2, 3, table_name having count(*) > 1',
      );
      expect(twice).toEqual([]);
    });
  }
});
