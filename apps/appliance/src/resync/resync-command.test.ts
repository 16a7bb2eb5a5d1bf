import { afterEach, expect, test } from 'vitest';
import { buildAdmin } from '../admin/admin.ts';
import type { ResyncControl } from '../admin/resync-routes.ts';
import { exampleStatus } from '../admin/status.fixture.ts';
import { ResyncError } from './errors.ts';
import { emptyTable, sumUp } from './plan.ts';
import type { ResyncReport } from './report.ts';
import { type ResyncCommandOptions, resyncCommand } from './resync-command.ts';

const report: ResyncReport = {
  id: '0198bbfa-4d80-7593-8987-1744a7d36247',
  reason: 'manual',
  mode: 'policy',
  state: 'running',
  step: 'compare',
  startedAt: '2026-11-23T07:00:00.000Z',
  finishedAt: null,
  table: 'public.mark',
  tables: 3,
  tablesDone: 1,
  rowsCompared: 1_200,
  rowsTotal: 4_000,
  differences: 2,
  repaired: 0,
  remaining: null,
  bytes: 1_000,
  etaSeconds: 12,
  problem: null,
};
const done: ResyncReport = {
  ...report,
  state: 'done',
  step: 'finished',
  repaired: 2,
  remaining: 0,
  etaSeconds: null,
  finishedAt: report.startedAt,
};

let close: () => Promise<void> = async () => {};
afterEach(() => close());

/** The admin API over a resync that is handed in; `answers` are what a person types. */
async function run(
  given: Partial<ResyncControl>,
  options: Partial<ResyncCommandOptions>,
  answers?: string[],
) {
  const started: unknown[] = [];
  const resync = {
    report: null,
    start: async (request: unknown) => {
      started.push(request);
      (control as { report: unknown }).report = done;
      return report;
    },
    cancel: () => null,
    ...given,
  };
  const control = resync as unknown as ResyncControl;
  const server = buildAdmin({ readStatus: async () => exampleStatus, resync: control });
  close = () => server.close();
  const admin = await server.listen({ host: '127.0.0.1', port: 0 });
  const said: string[] = [];
  const asked: string[] = [];
  const code = await resyncCommand(
    { yes: 0, admin, ...options },
    {
      write: (text) => said.push(text),
      complain: (text) => said.push(text),
      ask: answers
        ? async (question) => {
            asked.push(question);
            return answers.shift() ?? '';
          }
        : null,
      pause: async () => false,
    },
  );
  return { code, said: said.join(''), asked, started };
}

test('a person is asked once, and the run is watched to its end', async () => {
  const { code, said, asked, started } = await run({}, { table: 'public.mark', throttle: 50 }, ['y']);
  expect(asked).toEqual(['Compare public.mark with the cloud and repair what differs? [y/N] ']);
  expect(started).toEqual([
    { table: 'public.mark', keys: null, mode: 'policy', throttleBytesPerSecond: 50_000 },
  ]);
  expect(said).toBe('2 rows differed and were repaired; 1.0 kB moved.\n');
  expect(code).toBe(0);
});

test('one side is let win only after a second question, and a no at either does nothing', async () => {
  const { asked, started, code } = await run({}, { cloudWins: true }, ['oui', 'n']);
  expect(asked).toHaveLength(2);
  expect(asked[1]).toContain('will be overwritten by the cloud');
  expect(started).toEqual([]);
  expect(code).toBe(1);
});

test('where nobody is there to ask, --yes has to be given, and twice to let one side win', async () => {
  expect(await run({}, {})).toMatchObject({
    code: 1,
    started: [],
    said: expect.stringContaining('give --yes.'),
  });
  await close();
  const once = await run({}, { campusWins: true, yes: 1 });
  expect(once).toMatchObject({ code: 1, started: [], said: expect.stringContaining('give --yes twice.') });
  await close();
  expect((await run({}, { campusWins: true, yes: 2 })).started).toMatchObject([{ mode: 'campus-wins' }]);
});

test('a second start attaches to the run under way without asking', async () => {
  const { said, started, asked } = await run({ report }, {}, ['y']);
  expect([started, asked]).toEqual([[], []]);
  expect(said).toContain('A resync is under way already:\n');
  expect(said).toContain('Comparing public.mark: 1,200 of 4,000 rows, 2 differ, about 12 s left\n');
  expect(said).toContain('The resync goes on');
});

test('a plan is shown by table and direction and tells by its exit code whether anything differs', async () => {
  const table = {
    ...emptyTable('public.mark', 4_000),
    differences: 3,
    toCloud: { rows: 1, bytes: 120 },
    conflicts: 1,
  };
  const plan = sumUp('policy', [table, emptyTable('public.pupil', 10)], {
    bytes: 70_000,
    bytesPerSecond: 60,
  });
  const { said, code } = await run({ plan: async () => plan }, { plan: true });
  expect(code).toBe(2);
  expect(said).toContain('Compared 4,010 rows of 2 tables, moving 70.0 kB.');
  expect(said).toMatch(/public\.mark +3 rows +1, 120 B +0, 0 B +1\n/);
  expect(said).toContain('120 B before compression, about 2 s at the 60 B/s of now.');
  expect(said).not.toContain('public.pupil');
});

test('a refusal is one sentence with its advice', async () => {
  const plan = () => Promise.reject(new ResyncError('RESYNC_TABLE_UNKNOWN', 'The sync map does not name x.'));
  const { said, code } = await run({ plan }, { plan: true, table: 'x' });
  expect(code).toBe(1);
  expect(said).toContain('skooly-edge: The sync map does not name x. Name a table of the sync map');
});

test('to cancel what is not there is no failure', async () => {
  expect(await run({}, { cancel: true })).toMatchObject({ code: 0, said: 'No resync is under way.\n' });
  await close();
  const cancel = () => ({ ...report });
  expect((await run({ report, cancel }, { cancel: true })).said).toContain('what is repaired stays repaired');
});

test('both sides cannot win, and a box that does not answer is said so', async () => {
  expect((await run({}, { cloudWins: true, campusWins: true })).said).toContain('Only one side can win.');
  await close();
  close = async () => {};
  const said: string[] = [];
  const terminal = {
    write: () => {},
    complain: (text: string) => said.push(text),
    ask: null,
    pause: async () => true,
  };
  expect(await resyncCommand({ yes: 1, admin: 'http://127.0.0.1:9' }, terminal)).toBe(3);
  expect(said.join('')).toContain('The appliance does not answer');
});
