import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import { RegionError } from '../region/errors.ts';
import type { PutOptions, Region, Stored, StoredFile } from '../region/region.ts';
import { systemClock } from '../schedule/clock.ts';
import { sealedDump, sealedWal, type TestSpool, testSpool } from '../spool/spool.fixture.ts';
import { RegionState } from './region-state.ts';
import { passingPolicy, retryDelayMs } from './retry-delay.ts';
import { runUploads } from './upload.ts';

/** A region in memory that fails as it is told to. */
class FakeRegion {
  readonly held = new Map<string, Buffer>();
  readonly puts: string[] = [];
  fail: (name: string, options: PutOptions) => Error | Promise<Error | null> | null = () => null;
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  async put(name: string, file: StoredFile, options: PutOptions): Promise<Stored> {
    this.puts.push(name);
    const error = await this.fail(name, options);
    if (error) throw error;
    const bytes = await readFile(file.path);
    this.held.set(name, bytes);
    const { length } = bytes;
    return {
      name,
      bytes: length,
      etag: '',
      versionId: null,
      at: new Date(),
      lockedUntil: null,
      sha256: file.sha256,
    };
  }

  async get(name: string): Promise<Readable> {
    const bytes = this.held.get(name);
    if (!bytes) throw new RegionError('REGION_NOT_FOUND', this.name, `lacks ${name}`);
    return Readable.from([bytes]);
  }
}

let world: TestSpool;
let paris: FakeRegion;
let douala: FakeRegion;
const ending: AbortController[] = [];
const told: string[] = [];

beforeEach(() => {
  world = testSpool();
  paris = new FakeRegion('paris');
  douala = new FakeRegion('douala');
  told.length = 0;
});
afterEach(async () => {
  for (const end of ending.splice(0)) end.abort();
  await new Promise((done) => setTimeout(done, 20));
  world[Symbol.dispose]();
});

/** Time goes a hundred times as fast. */
const clock = {
  now: () => world.nowMs,
  async sleep(ms: number, signal: AbortSignal) {
    await systemClock.sleep(ms / 100, signal);
    world.nowMs += ms;
  },
};

function start(region: FakeRegion, others: FakeRegion[]): RegionState {
  const state = new RegionState(
    region.name,
    () => world.nowMs,
    () => 0.5,
  );
  const end = new AbortController();
  ending.push(end);
  const events = {
    stored: () => undefined,
    trouble: (name: string, { code }: RegionError) => told.push(`${name} ${code}`),
    recovered: (name: string) => told.push(`${name} recovered`),
    failed: (name: string, _object: string, error: Error) =>
      told.push(`${name} failed ${(error as RegionError).code}`),
  };
  const parts = { spool: world.spool, state, clock, random: () => 0.5, lockUntil: () => undefined, events };
  const asRegion = (fake: FakeRegion) => fake as unknown as Region;
  void runUploads({ region: asRegion(region), others: others.map(asRegion), ...parts }, end.signal);
  return state;
}

async function add<T extends SealedObject>(object: T, text = object.name): Promise<T> {
  const made = { ...object, bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
  writeFileSync(world.spool.pathFor(made.name), text);
  await world.spool.add(made);
  return made;
}

const waits = (region: string) => world.spool.queues().find(({ region: name }) => name === region)?.objects;
const patience = { timeout: 10_000, interval: 10 };

test('a region that does not answer is asked again, and the other goes on meanwhile', async () => {
  let failures = 3;
  douala.fail = () =>
    failures-- > 0 ? new RegionError('REGION_UNREACHABLE', 'douala', 'does not answer') : null;
  await add(sealedWal(1, world.nowMs));
  const state = start(douala, [paris]);
  start(paris, [douala]);
  await expect.poll(() => waits('paris'), patience).toBe(0);
  await expect.poll(() => waits('douala'), patience).toBe(0);
  expect(told).toEqual(['douala REGION_UNREACHABLE', 'douala recovered']);
  expect(state.trouble).toBeNull();
});

test('an object that a region lies about is put off, and the others go on', async () => {
  const bad = await add(sealedWal(1, world.nowMs));
  const good = await add(sealedWal(2, world.nowMs + 1));
  let lies = 2;
  paris.fail = (name) =>
    name === bad.name && lies-- > 0 ? new RegionError('REGION_LIED', 'paris', 'holds other bytes') : null;
  start(paris, []);
  await expect.poll(() => paris.held.has(good.name), patience).toBe(true);
  await expect.poll(() => waits('paris'), patience).toBe(0);
  expect(told).toContain('paris failed REGION_LIED');
});

test('what has left this disk comes from the region that holds it', async () => {
  const object = await add(sealedDump(world.nowMs), 'ciphertext');
  start(paris, [douala]);
  await expect.poll(() => waits('paris'), patience).toBe(0);
  await world.spool.leaveDisk(object.name);
  start(douala, [paris]);
  await expect.poll(() => douala.held.get(object.name)?.toString(), patience).toBe('ciphertext');
});

test('other bytes than those of the manifest are not passed on', async () => {
  const object = await add(sealedDump(world.nowMs), 'ciphertext');
  start(paris, [douala]);
  await expect.poll(() => waits('paris'), patience).toBe(0);
  paris.held.set(object.name, Buffer.from('ciphertexT'));
  await world.spool.leaveDisk(object.name);
  start(douala, [paris]);
  await expect.poll(() => told, patience).toContain('douala failed REGION_LIED');
  expect(douala.held.has(object.name)).toBe(false);
});

test('a dump steps aside between two parts while WAL waits too long, and is sent afterwards', async () => {
  const dump = await add(sealedDump(world.nowMs));
  let steppedAside = 0;
  paris.fail = (name, { signal }) => {
    if (name !== dump.name || steppedAside > 0) return null;
    return new Promise((done) =>
      signal.addEventListener('abort', () => {
        steppedAside++;
        done(signal.reason);
      }),
    );
  };
  start(paris, []);
  await expect.poll(() => paris.puts, patience).toEqual([dump.name]);
  let isHeldUp = true;
  const fail = paris.fail;
  paris.fail = (name, options) =>
    name.includes('/wal/') && isHeldUp
      ? new RegionError('REGION_LIED', 'paris', 'is odd')
      : fail(name, options);
  await add(sealedWal(1, world.nowMs - 60_000));
  await expect.poll(() => steppedAside, patience).toBe(1);
  isHeldUp = false;
  await expect.poll(() => waits('paris'), patience).toBe(0);
  expect(paris.held.has(dump.name)).toBe(true);
});

test('the time until the next try doubles, within bounds', () => {
  const delays = [1, 2, 3, 20].map((failures) => retryDelayMs(failures, passingPolicy, 1));
  expect(delays).toEqual([1_000, 2_000, 4_000, 60_000]);
});
