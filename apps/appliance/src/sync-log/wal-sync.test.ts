import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFile } from './log-file.ts';
import { WalSync } from './wal-sync.ts';

let dir: string;
let database: Database.Database;
/** Syncs that were asked of the disk and have not ended. */
let asked: PromiseWithResolvers<void>[];
let sync: WalSync;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-wal-sync-'));
  database = openFile(join(dir, 'log.sqlite'));
  asked = [];
  sync = new WalSync(database, {
    sync: () => {
      const one = Promise.withResolvers<void>();
      asked.push(one);
      return one.promise;
    },
    syncNow: () => {},
  });
  write();
});
afterEach(() => {
  sync.close();
  database.close();
  rmSync(dir, { recursive: true });
});

let written = 0;
const write = () => database.prepare('INSERT INTO meta VALUES (?, ?)').run(`name ${written++}`, 'value');
/** Pages of the WAL that are not in the file yet. */
const inWal = () => (database.pragma('wal_checkpoint(NOOP)') as { log: number }[])[0]?.log ?? -1;

it('settles on the real disk', async () => {
  const real = new WalSync(database);
  await real.settle();
  real.settleNow();
  real.close();
});

it('who comes while a sync runs shares the next one, and none that began before', async () => {
  const ended: number[] = [];
  const settle = (n: number) => sync.settle().then(() => ended.push(n));
  const [first, second, third] = [settle(1), settle(2), settle(3)];
  expect(asked.length).toBe(1);
  asked[0]?.resolve();
  await first;
  expect(ended).toEqual([1]);
  while (asked.length < 2) await Promise.resolve();
  asked[1]?.resolve();
  await Promise.all([second, third]);
  expect([ended, asked.length]).toEqual([[1, 2, 3], 2]);
});

it('after a sync that failed nothing counts before everything is copied into the file', async () => {
  const failing = sync.settle();
  asked[0]?.reject(Object.assign(new Error('the disk failed'), { code: 'EIO' }));
  await expect(failing).rejects.toMatchObject({ code: 'EIO' });
  write();
  expect(inWal()).toBeGreaterThan(0);
  await sync.settle();
  expect([inWal(), asked.length]).toEqual([0, 1]);
  const next = sync.settle();
  asked[1]?.resolve();
  await next;
});
