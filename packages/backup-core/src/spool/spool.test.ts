import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type TestSpool, testSpool } from './spool.fixture.ts';
import { spoolFileName } from './spool-file.ts';

let world: TestSpool;
beforeEach(() => {
  world = testSpool();
});
afterEach(() => world[Symbol.dispose]());

const held = { versionId: null, lockedUntil: null };

let entry = 0;

function list(names: string[]): void {
  world.spool.listing.listed(++entry, names);
}

function deliver(region: string): void {
  world.spool.listing.delivered(region, entry);
}

test('WAL goes before dumps, in its order, and each lane has its own', async () => {
  const dump = await world.addDump();
  const first = await world.addWal(1);
  const second = await world.addWal(2);
  const { spool } = world;
  expect(spool.next('paris', 'urgent')?.object.name).toBe(first.name);
  expect(spool.next('paris', 'urgent')?.object.name).toBe(second.name);
  expect(spool.next('paris', 'urgent')).toBeNull();
  expect(spool.next('paris', 'bulk')?.object.name).toBe(dump.name);
  spool.release('paris', first.name);
  expect(spool.next('paris', 'urgent')?.object.name).toBe(first.name);
  expect(spool.next('douala', 'urgent')?.object.name).toBe(first.name);
});

test('an object leaves the disk when every region holds it and its entry, not before', async () => {
  const { name } = await world.addWal(1);
  const { spool } = world;
  const path = spool.pathFor(name);
  spool.stored('paris', name, held);
  list([name]);
  deliver('paris');
  expect(await spool.sweep()).toEqual([]);
  spool.stored('douala', name, held);
  expect(await spool.sweep()).toEqual([]);
  deliver('douala');
  expect(await spool.sweep()).toEqual([name]);
  expect(existsSync(path)).toBe(false);
  expect(spool.objects('wal').map((object) => object.name)).toEqual([name]);
  expect(spool.objects('wal', { in: 'douala' })).toHaveLength(1);
});

test('what was added, sent or postponed is so after a power cut', async () => {
  const { name } = await world.addWal(1);
  const other = await world.addDump();
  world.spool.multipartState('paris', other.name).save({ uploadId: 'u', partBytes: 5, parts: [] });
  world.spool.stored('paris', name, held);
  world.spool.postpone('douala', name, world.nowMs + 1000);
  world.reopen();
  const { spool } = world;
  expect(spool.next('paris', 'urgent')).toBeNull();
  expect(spool.next('douala', 'urgent')).toBeNull();
  world.nowMs += 1000;
  expect(spool.next('douala', 'urgent')).toMatchObject({ object: { name }, attempts: 1 });
  expect(spool.multipartState('paris', other.name).load()).toEqual({
    uploadId: 'u',
    partBytes: 5,
    parts: [],
  });
  expect(spool.takenSha256('7', '000000010000000000000001')).toMatch(/^0{64}$/);
});

test('what was sealed but never added is removed; what was added is found again though the queue is lost', async () => {
  const { name } = await world.addWal(1);
  writeFileSync(world.spool.pathFor('mvan/wal/half-sealed'), 'x');
  world.reopen({
    meanwhile() {
      writeFileSync(join(world.folder, spoolFileName), 'not a database');
      for (const suffix of ['-wal', '-shm'])
        rmSync(join(world.folder, spoolFileName + suffix), { force: true });
    },
  });
  expect(world.spool.fresh).toBe(true);
  expect(world.spool.next('paris', 'urgent')?.object.name).toBe(name);
  expect(readdirSync(join(world.folder, 'ready'))).toHaveLength(2);
  expect(world.spool.notes()[0]?.code).toBe('SPOOL_SET_ASIDE');
});

test('a region that is given up is waited for no longer; a new one gets everything that is live', async () => {
  const { name } = await world.addWal(1);
  world.spool.stored('paris', name, held);
  list([name]);
  deliver('paris');
  world.reopen({ regions: ['paris'] });
  expect(await world.spool.sweep()).toEqual([name]);
  world.reopen({ regions: ['paris', 'yaounde'] });
  expect(world.spool.next('yaounde', 'urgent')).toMatchObject({ object: { name }, path: null });
});

test('an object that no region has and that left this disk is not offered', async () => {
  const { name } = await world.addDump();
  await world.spool.leaveDisk(name);
  expect(world.spool.next('paris', 'bulk')).toBeNull();
  world.spool.stored('douala', name, held);
  expect(world.spool.next('paris', 'bulk')).toMatchObject({ path: null });
});
