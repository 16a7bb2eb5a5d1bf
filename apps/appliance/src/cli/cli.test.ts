import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { buildAdmin } from '../admin/admin.ts';
import { exampleStatus } from '../admin/status.fixture.ts';
import type { Status } from '../admin/status.ts';
import { buildCli, explain, type PrepareOptions } from './cli.ts';
import type { Terminal } from './status-command.ts';
import { statusScreen } from './status-screen.ts';
import { bytes, duration } from './words.ts';

const nowMs = Date.parse('2026-03-02T09:30:02.000Z');
const running: FastifyInstance[] = [];
afterEach(async () => {
  process.exitCode = 0;
  for (const admin of running.splice(0)) await admin.close();
});

async function adminWith(status: Status): Promise<string> {
  const admin = buildAdmin({ readStatus: async () => status });
  running.push(admin);
  return admin.listen({ host: '127.0.0.1', port: 0 });
}

interface Run {
  out: string;
  err: string;
  code: number | string | undefined;
  prepared: PrepareOptions[];
  served: number;
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const result: Run = { out: '', err: '', code: undefined, prepared: [], served: 0 };
  const append = (where: 'out' | 'err', text: string) => {
    result[where] += text;
  };
  const terminal: Terminal = {
    write: (text) => append('out', text),
    complain: (text) => append('err', text),
    colour: false,
    nowMs: () => nowMs,
    pause: async () => false,
  };
  const cli = buildCli({
    serve: async () => {
      result.served += 1;
    },
    prepare: async (options) => void result.prepared.push(options),
    env,
    terminal,
  });
  for (const command of [cli, ...cli.commands]) {
    command.exitOverride().configureOutput({
      writeErr: (text) => append('err', text),
      writeOut: (text) => append('out', text),
    });
  }
  await cli.parseAsync(args, { from: 'user' }).catch((error) => {
    process.exitCode = error.exitCode;
  });
  result.code = process.exitCode ?? 0;
  return result;
}

describe('status', () => {
  test('shows state, since when, what waits, last sync, conflicts and probes on one screen', async () => {
    const { out, code } = await run(['status', '--admin', await adminWith(exampleStatus)]);
    expect(code).toBe(0);
    expect(out).toMatch(/● LOCAL {2}since .*\(2 h 30 min\)/);
    expect(out).toContain('your work is kept here and will be sent');
    expect(out).toContain('campus mvan, from this box');
    expect(out).toContain('1,204 transactions, 2.3 MB, the oldest 2 h 30 min old');
    expect(out).toContain('sent 2 h 30 min ago');
    expect(out).toContain('2 open conflicts');
    expect(out).toContain('✗ relay https://relay.example/: no answer within 4000 ms');
    expect(out).toContain('writes waited 84 ms');
    expect(out.split('\n').every((line) => line.length < 100)).toBe(true);
  });

  test('with --json gives what the admin API gave, on one line', async () => {
    const { out } = await run(['status', '--json'], { EDGE_ADMIN_URL: await adminWith(exampleStatus) });
    expect(JSON.parse(out)).toEqual(exampleStatus);
    expect(out.trim().split('\n')).toHaveLength(1);
  });

  test('asks where the box itself listens, unless told another address', async () => {
    const listen = new URL(await adminWith(exampleStatus)).host;
    expect((await run(['status'], { EDGE_ADMIN_LISTEN: listen })).code).toBe(0);
    const elsewhere = { EDGE_ADMIN_LISTEN: listen, EDGE_ADMIN_URL: 'http://127.0.0.1:1' };
    expect((await run(['status'], elsewhere)).err).toContain('at http://127.0.0.1:1.');
  });

  test('its exit code tells a script what the screen tells a person', async () => {
    const { sync } = exampleStatus;
    const codeOf = async (changes: Partial<Status['sync']>) => {
      const admin = await adminWith({ ...exampleStatus, sync: { ...sync, ...changes } });
      return (await run(['status', '--json', '--admin', admin])).code;
    };
    expect(await codeOf({})).toBe(0);
    expect(await codeOf({ parked: 1 })).toBe(4);
    expect(await codeOf({ ready: false })).toBe(2);
    const away = await run(['status', '--admin', 'http://127.0.0.1:1']);
    expect(away).toMatchObject({ code: 3, out: '' });
    expect(away.err).toMatch(
      /^skooly-edge: The appliance does not answer at http:\/\/127.0.0.1:1\. [^\n]+\n$/,
    );
    expect((await run(['status', '--admin', 'nonsense'])).code).toBe(1);
    const problem = 'This box was revoked. Have a code made.';
    const trust = { state: 'revoked' as const, fingerprint: '4Q7K', problem };
    const revoked = await run(['status', '--admin', await adminWith({ ...exampleStatus, trust })]);
    expect(revoked.code).toBe(4);
    expect(revoked.out).toContain(
      `${problem} Nothing is sent or fetched meanwhile, and nothing is lost. (this box: 4Q7K)`,
    );
  });

  test('it speaks of the relay’s certificate only while it should be renewed', async () => {
    const shown = (problem: string | null) =>
      statusScreen(
        { ...exampleStatus, certificate: { until: '2026-03-09T00:00:00.000Z', problem } },
        { nowMs: Date.parse('2026-03-02T10:00:00.000Z'), colour: false },
      );
    expect(shown(null)).not.toContain('Certificate');
    expect(shown('It runs out.')).toContain('Certificate It runs out.');
  });

  test('its help documents the exit codes', async () => {
    expect((await run(['status', '--help'])).out).toMatch(/Exit codes:.*0 .*1 .*2 .*3 .*4 /s);
  });

  test('every state has its word, and colour only where it is wanted', () => {
    for (const state of ['ONLINE', 'SUSPECT', 'LOCAL', 'RECOVERING', 'CATCHING_UP'] as const) {
      const plain = statusScreen({ ...exampleStatus, state }, { nowMs, colour: false });
      expect(plain).toContain(`● ${state}`);
      expect(plain).not.toContain('\u001b');
      expect(statusScreen({ ...exampleStatus, state }, { nowMs, colour: true })).toContain('\u001b[');
    }
  });

  test('a box that is being seeded says how far it is', () => {
    const seeding = { table: 'public.pupil', tablesDone: 3, tablesTotal: 12, rows: 1_200 };
    const sync = { ...exampleStatus.sync, ready: false, seeding };
    const screen = statusScreen({ ...exampleStatus, sync }, { nowMs, colour: false });
    expect(screen).toContain('table 4 of 12 (public.pupil), 1,200 rows so far');
  });

  test('a box without room on its disk or in its log says so, and only then', () => {
    const shown = (changed: Partial<Status>) =>
      statusScreen({ ...exampleStatus, ...changed }, { nowMs, colour: false });
    expect(shown({})).not.toMatch(/Disk|Log /);
    const disk = {
      ...exampleStatus.disk,
      state: 'REFUSE' as const,
      freeBytes: 4e8,
      problem: 'The disk is nearly full.',
    };
    expect(shown({ disk })).toContain(
      'Disk        The disk is nearly full. (400 MB free in /var/lib/skooly-edge)',
    );
    const sync = { ...exampleStatus.sync, logBytes: 3e9 };
    expect(shown({ sync })).toContain('Log         3.0 GB, more than its 1.1 GB');
  });

  test('a box whose clock is off, or was not compared with the cloud, says so, and only then', () => {
    const shown = (changed: Partial<Status['clock']>) =>
      statusScreen(
        { ...exampleStatus, clock: { ...exampleStatus.clock, ...changed } },
        { nowMs, colour: false },
      );
    expect(shown({})).not.toContain('Clock');
    expect(shown({ offsetMs: 7_200_000 })).toContain('Clock       2 h behind the cloud');
    expect(shown({ offsetMs: -7_200_000 })).toContain('2 h ahead of the cloud');
    expect(shown({ trusted: false, offsetMs: null })).toContain('Clock       not compared with the cloud');
  });

  test('what the last comparison found is said: equal, repaired, or still different', () => {
    const screen = (sync: Partial<Status['sync']>) =>
      statusScreen({ ...exampleStatus, sync: { ...exampleStatus.sync, ...sync } }, { nowMs, colour: false });
    expect(screen({})).toContain('Compared    7 h 49 min ago, every row equal in the cloud');
    const proof = { at: '2026-03-02T09:29:02.000Z', equal: false, tables: 13, differences: 4, remaining: 0 };
    expect(screen({ proof })).toContain('Compared    1 min ago, 4 rows differed and were repaired');
    expect(screen({ proof: { ...proof, remaining: 1 } })).toContain(
      '1 row still differ: `skooly-edge resync --plan`',
    );
    expect(screen({ proof: null })).not.toContain('Compared');
  });

  test('a box that does not read local changes says why, and only then', () => {
    const captureProblem = 'Postgres has no usable replication slot.';
    const sync = { ...exampleStatus.sync, captureProblem };
    expect(statusScreen({ ...exampleStatus, sync }, { nowMs, colour: false })).toContain(
      `Not read    ${captureProblem}`,
    );
    expect(statusScreen(exampleStatus, { nowMs, colour: false })).not.toContain('Not read');
  });
});

describe('the other commands', () => {
  const options = [
    '--admin-url',
    'postgres://x/y',
    '--sync-map',
    'm',
    '--password-file',
    'p',
    '--campus',
    'mvan',
  ];

  test('prepare hands its options over; serve serves', async () => {
    expect((await run(['prepare', ...options])).prepared).toEqual([
      { adminUrl: 'postgres://x/y', syncMap: 'm', passwordFile: 'p', campus: 'mvan' },
    ]);
    expect((await run(['serve'])).served).toBe(1);
  });

  test('a missing or wrong option is refused by name', async () => {
    const missing = await run(['prepare', ...options.slice(0, 6)]);
    expect(missing).toMatchObject({ code: 1, prepared: [], err: expect.stringContaining('--campus') });
    const wrong = await run(['prepare', ...options.slice(0, 7), 'Mvan!']);
    expect(wrong).toMatchObject({ code: 1, prepared: [], err: expect.stringContaining('lower-case') });
  });
});

test('a failure is one sentence with its advice, not a stack', () => {
  const error = Object.assign(new Error('The slot is missing.'), {
    code: 'SLOT_MISSING',
    advice: 'Run prepare.',
  });
  expect(explain(error)).toBe('The slot is missing. Run prepare.');
  const config = Object.assign(new Error('EDGE_CAMPUS is not set: set it to mvan.'), {
    advice: 'Set it to mvan.',
  });
  expect(explain(config)).toBe('EDGE_CAMPUS is not set: set it to mvan.');
  const taken = Object.assign(new Error('listen EADDRINUSE: address already in use 127.0.0.1:80'), {
    code: 'EADDRINUSE',
  });
  expect(explain(taken)).toMatch(/is taken: end the other program.*127\.0\.0\.1:80\)\.$/);
});

test('sizes and times are written as people say them', () => {
  expect([0, 999, 1_000, 2_340_000, 5e9].map(bytes)).toEqual(['0 B', '999 B', '1.0 kB', '2.3 MB', '5.0 GB']);
  expect([0, 59, 61, 3_600, 9_000, 90_000, 93 * 86_400].map(duration)).toEqual([
    '0 s',
    '59 s',
    '1 min 1 s',
    '1 h',
    '2 h 30 min',
    '1 d 1 h',
    '93 d',
  ]);
});
