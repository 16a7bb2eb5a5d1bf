import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTestLab, temporaryFolder } from '../support/lab.ts';
import { isRunning } from './processes/identity.ts';
import { layout, programs } from './world/layout.ts';
import { purge } from './world/purge.ts';
import { type LabState, readState } from './world/state.ts';
import type { LabStatus } from './world/status.ts';

const run = promisify(execFile);

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query({ text: sql, rowMode: 'array' });
  await client.end();
  return rows[0]?.[0];
}

describe('the lab from the command line', () => {
  let dir: string;

  beforeEach(() => {
    dir = join(temporaryFolder(), 'lab');
  });
  afterEach(async () => {
    await lab('down', '--purge').catch(() => undefined);
    rmSync(join(dir, '..'), { recursive: true, force: true });
  });

  async function lab(command: string, ...args: string[]): Promise<string> {
    const { stdout } = await run(process.execPath, [programs.labCli, command, '--dir', dir, ...args]);
    return stdout;
  }

  async function status(): Promise<LabStatus> {
    return JSON.parse(await lab('status', '--json'));
  }

  const recorded = () => readState(layout(dir).state) as LabState;

  test('goes on after kill -9 of everything, with its rows, and leaves no process behind', async () => {
    expect(await lab('up', '--detach')).toContain('Ready after');
    const before = await status();
    expect(before).toMatchObject({ lab: 'up', cable: { mode: 'up' }, campus: { id: 'mvan' } });
    const pupils = await ask(before.cloud.postgres, 'select count(*) from pupil');
    const processes = Object.values(recorded().processes);
    expect(processes).toHaveLength(8);
    const supervisor = JSON.parse(readFileSync(layout(dir).lock, 'utf8'));
    for (const { pid } of [supervisor, ...processes.slice(0, 4)]) process.kill(pid, 'SIGKILL');

    expect(await lab('up', '--detach')).toContain('Ready after');
    const after = await status();
    expect(after.cloud).toEqual(before.cloud);
    expect(await ask(after.cloud.postgres, 'select count(*) from pupil')).toBe(pupils);
    expect(await lab('verify', '--wait', '30')).toContain('Equal');
    const left = [...processes, ...Object.values(recorded().processes)];
    await lab('down');
    expect(left.filter(isRunning)).toEqual([]);
    await expect(lab('status')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('No lab is up'),
    });
  });

  test('cuts, slows and heals the cable, and says what it cannot do', async () => {
    await lab('up', '--detach');
    expect(await lab('cut')).toContain('cut: nothing gets through');
    expect(await lab('slow', '--kbps', '512', '--rtt-ms', '600', '--loss', '2')).toContain('512 kbit/s');
    expect((await status()).cable).toMatchObject({ mode: 'cut', kbps: 512, rttMs: 600, lossPct: 2 });
    expect(await lab('slow', '--kbps', '0', '--rtt-ms', '0', '--loss', '0')).not.toContain('kbit/s');
    expect(await lab('heal')).toContain('The cable is up');
    await expect(lab('slow', '--loss', '95')).rejects.toMatchObject({
      stderr: expect.stringContaining('loss'),
    });
    await expect(lab('kill', 'nobody')).rejects.toMatchObject({
      stderr: expect.stringContaining('cloud-postgres'),
    });
    await expect(lab('up')).rejects.toMatchObject({ stderr: expect.stringContaining('is up in') });
  });

  test('has several campuses, each with a cable of its own', async () => {
    await lab('up', '--detach', '--campuses', '2');
    await lab('cut', '--campus', 'bonaberi');
    const { campuses, cable, processes } = await status();
    expect(campuses.map(({ id, cable: its }) => [id, its.mode])).toEqual([
      ['mvan', 'up'],
      ['bonaberi', 'cut'],
    ]);
    expect(cable.mode).toBe('up');
    expect(processes).toHaveLength(11);
    await ask(campuses[1]?.postgres ?? '', `update pupil set guardian_name = 'CUT OFF'`);
    await lab('kill', 'appliance-bonaberi');
    await lab('start', 'appliance-bonaberi');
    await expect(lab('verify')).rejects.toMatchObject({ stdout: expect.stringContaining('NOT equal') });
    await lab('heal', '--campus', 'bonaberi');
    expect(JSON.parse(await lab('verify', '--json', '--wait', '60'))).toMatchObject({
      equal: true,
      campuses: [{ campus: 'mvan' }, { campus: 'bonaberi' }],
    });
    await expect(lab('cut', '--campus', 'douala')).rejects.toMatchObject({
      stderr: expect.stringContaining('no campus douala'),
    });
  });

  test('in the foreground ends with Ctrl-C, in the middle of its start too', async () => {
    const child = spawn(process.execPath, [programs.labCli, 'up', '--dir', dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
      if (said.includes('Postgres in the cloud') && !said.includes('Ending')) child.kill('SIGINT');
    });
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(said).toContain('The lab has ended');
    expect(recorded().processes).toEqual({});
  });
});

test('two labs run side by side, and one over any other database', async () => {
  const database = temporaryFolder();
  writeFileSync(
    join(database, 'schema.sql'),
    'create table book (id int primary key, campus text not null, title text not null);',
  );
  writeFileSync(
    join(database, 'seed.sql'),
    `insert into book select n, case when n <= 40 then 'mvan' else 'bonaberi' end, 'Tome ' || n from generate_series(1, 60) n;`,
  );
  const tables = { 'public.book': { scope: 'campus', policy: 'newest' } };
  writeFileSync(join(database, 'sync-map.json'), JSON.stringify({ version: 1, database: 'library', tables }));
  await using first = await startTestLab({ database });
  await using second = await startTestLab();
  expect(await ask(first.lab.addresses().campus.postgres, 'select count(*)::int from book')).toBe(40);
  expect(await first.lab.verify({ waitSeconds: 20 })).toMatchObject({ equal: true });
  expect((await second.lab.status()).lab).toBe('up');
  expect((await first.lab.status()).processes.map(({ name }) => name)).not.toContain('cloud-skooly');
  rmSync(database, { recursive: true });
});

test('nothing is removed that is not a lab', () => {
  const dir = temporaryFolder();
  expect(() => purge(dir)).toThrow(/holds no lab/);
  rmSync(dir, { recursive: true });
});
