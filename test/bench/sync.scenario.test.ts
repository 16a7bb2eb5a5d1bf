import { expect, test } from 'vitest';
import { measureCapture, requireExactly } from './capture.ts';
import { measureLatency } from './latency.ts';
import { withSchoolLab } from './school-lab.ts';

const silent = () => {};

test('the benches capture and latency find every write where it belongs', async () => {
  await withSchoolLab({}, async (lab) => {
    const size = { transactions: 120, rounds: 2, connections: 3 };
    const capture = await measureCapture(lab, size, silent);
    expect(capture).toMatchObject({ bench: 'capture', ...size });
    expect(capture.ours.perSecond).toBeGreaterThan(0);
    expect(capture.peer.perSecond).toBeGreaterThan(0);
    expect(capture.settings.ratio).toBeGreaterThan(0);
    expect(capture.cpuMicroseconds.with.postgres).toBeGreaterThan(0);

    const latency = await measureLatency(lab, 10, silent);
    expect(latency).toMatchObject({ bench: 'latency', samples: 10 });
    expect(latency.ours).toBeGreaterThan(0);
    expect(latency.down.p50Ms).toBeGreaterThan(0);
  });
});

test('the bench capture refuses a log that lacks a change, has one twice or has another', () => {
  const change = (id: string, tag: string) => ({
    table: 'public.mark',
    op: 'insert' as const,
    key: { id },
    before: null,
    after: { entered_by: tag },
  });
  const logged = (n: number) => ({ changes: [change(`${n}`, `writer0-${n}`)] });
  const committed = [0, 1].map((n) => ({
    tag: `writer0-${n}`,
    changes: [`public.mark insert ${n} writer0-${n}`],
  }));
  const look = (log: Parameters<typeof requireExactly>[2]) => () =>
    requireExactly([committed], ['writer0'], log);
  expect(look([logged(0), logged(1)])).not.toThrow();
  expect(look([logged(0)])).toThrow('in place of');
  expect(look([logged(1), logged(0)])).toThrow('in place of');
  expect(look([logged(0), logged(1), logged(1)])).toThrow('more of writer0');
  expect(look([logged(0), logged(1), { changes: [] }])).toThrow('nobody committed');
});
