import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  bucket,
  regionOf,
  type SmallSite,
  startSite,
} from '../../packages/backup-core/src/engine/engine.fixture.ts';
import type { Clock } from '../../packages/backup-core/src/schedule/clock.ts';
import { startS3 } from '../support/s3/s3.ts';

const DAY_MS = 24 * 3_600_000;
const patience = { timeout: 100_000, interval: 100 };

/** Goes some fifty times as fast as the world's, and leaps when it is told to. */
class FastClock implements Clock {
  #now = Date.now();
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>();
  readonly #ticking = setInterval(() => this.leap(1_000), 20);

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const wake = () => {
        this.#sleepers.delete(sleeper);
        signal.removeEventListener('abort', wake);
        done();
      };
      const sleeper = { at: this.#now + ms, wake };
      this.#sleepers.add(sleeper);
      signal.addEventListener('abort', wake);
      if (signal.aborted) wake();
    });
  }

  leap(ms: number): void {
    this.#now += ms;
    for (const { at, wake } of this.#sleepers) if (at <= this.#now) wake();
  }

  stop(): void {
    clearInterval(this.#ticking);
  }
}

let clock: FastClock;
let world: SmallSite;
beforeEach(async () => {
  clock = new FastClock();
  world = await startSite({ clock });
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  clock.stop();
});

async function settled(): Promise<void> {
  await expect
    .poll(() => {
      const { regions, jobs } = world.engine.status();
      const waiting = regions.map(({ waiting: { objects }, entriesBehind }) => objects + entriesBehind);
      return { waiting, made: jobs.dump.lastAt !== null && jobs.base.lastAt !== null };
    }, patience)
    .toEqual({ waiting: [0, 0], made: true });
}

async function names(region: 'paris' | 'douala'): Promise<string[]> {
  return (await world.openAll(region)).map(({ name }) => name).sort();
}

test('three weeks without WAN: a dump each night, a base each week, no WAL lost, and all of it arrives', async () => {
  await world.start();
  await world.commit();
  await settled();
  const servers = Object.values(world.servers);
  for (const { faults } of servers) faults.add({ refuse: { status: 503, code: 'SlowDown' } });
  const segments: string[] = [];
  for (let day = 0; day < 21; day++) {
    const { lastAt } = world.engine.status().jobs.dump;
    clock.leap(DAY_MS);
    segments.push(await world.commit());
    await expect.poll(() => world.engine.status().jobs.dump.lastAt, patience).not.toBe(lastAt);
  }
  await expect
    .poll(() => world.engine.status().alarms.map(({ code }) => code), patience)
    .toContain('RPO_EXCEEDED');
  expect(world.engine.status().regions[0]?.waiting.objects).toBeGreaterThanOrEqual(2 * 21);
  for (const { faults } of servers) faults.clear();
  world.engine.hurry();
  await settled();
  const paris = await names('paris');
  expect(await names('douala')).toEqual(paris);
  for (const segment of segments) expect(paris.join()).toContain(segment);
  expect(paris.filter((name) => name.includes('/dump/'))).toHaveLength(22);
  expect(paris.filter((name) => name.includes('/base/'))).toHaveLength(4);
  expect(world.engine.status().chains.filter(({ hasGap }) => hasGap)).toEqual([]);
  for (const region of ['paris', 'douala'] as const) expect(await world.twice(region)).toEqual([]);
});

test('a region that is lost for good is replaced by an empty one, which gets all that is live from the other', async () => {
  await world.start();
  await world.commit();
  await settled();
  await world.stop();
  await world.servers.douala.close();
  await using server = await startS3({ buckets: [{ name: bucket, versioning: true }] });
  const yaounde = regionOf('yaounde', server.endpoint);
  await world.start({ regions: [world.region('paris'), yaounde] });
  const segment = await world.commit();
  await expect
    .poll(async () => (await world.live('paris')).some(({ name }) => name.includes(segment)), patience)
    .toBe(true);
  await settled();
  const held: string[] = [];
  for await (const { name } of yaounde.list('mvan/')) if (!/\/(manifest|page)\//.test(name)) held.push(name);
  expect(held.sort()).toEqual(await names('paris'));
  const standing = world.engine.status().regions[1];
  expect(standing).toMatchObject({ region: 'yaounde', trouble: null });
  expect(standing?.safeUntil).not.toBeNull();
  yaounde.close();
});
