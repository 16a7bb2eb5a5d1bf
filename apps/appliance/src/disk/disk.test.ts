import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openBallast } from './ballast.ts';
import { Disk, freeBytesOf } from './disk.ts';

const GiB = 1024 ** 3;
const ballastBytes = 3 * 1024 * 1024;
let dir: string;
let free: Record<string, number | Error>;
let failed: boolean;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-disk-'));
  free = { state: 10 * GiB, postgres: 10 * GiB };
  failed = false;
});
afterEach(() => rmSync(dir, { recursive: true }));

const ballast = () => openBallast(dir, ballastBytes);
const open = () =>
  new Disk({
    folders: Object.keys(free),
    settings: { warnBytes: 4 * GiB, trimBytes: 2 * GiB, refuseBytes: GiB, intervalMs: 1 },
    ballast: ballast(),
    logger: pino({ level: 'silent' }),
    freeBytes: async (folder) => {
      const bytes = free[folder];
      if (bytes instanceof Error) throw bytes;
      return bytes ?? 0;
    },
    writeFailed: () => failed,
    now: () => new Date(0),
  });

test('the fullest of the folders counts', async () => {
  const disk = open();
  free.postgres = 3 * GiB;
  await disk.look();
  expect(disk.snapshot()).toMatchObject({ state: 'WARN', folder: 'postgres', freeBytes: 3 * GiB });
  expect([disk.mayWrite(), disk.short()]).toEqual([true, false]);
  free.state = 1.5 * GiB;
  await disk.look();
  expect(disk.snapshot()).toMatchObject({ state: 'TRIM', folder: 'state' });
  expect([disk.mayWrite(), disk.short()]).toEqual([true, true]);
});

test('the reserve is given up when writes are refused, and taken again when there is plenty', async () => {
  const disk = open();
  await disk.look();
  expect(statSync(join(dir, 'ballast')).size).toBe(ballastBytes);
  free.state = 0.5 * GiB;
  await disk.look();
  expect([disk.mayWrite(), disk.short(), ballast().held()]).toEqual([false, true, false]);
  expect(disk.snapshot().problem).toContain('takes no new writes');
  free.state = 3 * GiB;
  await disk.look();
  expect([disk.mayWrite(), ballast().held()]).toEqual([true, false]);
  free.state = 10 * GiB;
  await disk.look();
  expect([disk.snapshot().problem, ballast().held()]).toEqual([null, true]);
});

test('a write that failed for lack of room refuses the next ones, until one succeeds', async () => {
  const disk = open();
  failed = true;
  await disk.look();
  expect(disk.mayWrite()).toBe(false);
  failed = false;
  await disk.look();
  expect(disk.mayWrite()).toBe(true);
});

test('a folder that cannot be read is said, and leaves the state as it was', async () => {
  const disk = open();
  free.postgres = 3 * GiB;
  await disk.look();
  free.postgres = new Error('no such folder');
  await disk.look();
  expect(disk.snapshot()).toMatchObject({
    state: 'WARN',
    problem: expect.stringContaining('no such folder'),
  });
});

test('a reserve that cannot be taken is no harm', async () => {
  mkdirSync(join(dir, 'ballast.part'));
  const disk = open();
  await disk.look();
  expect([disk.mayWrite(), ballast().held()]).toEqual([true, false]);
});

test('a real file system tells how much is free', async () => {
  expect(await freeBytesOf(dir)).toBeGreaterThan(0);
});
