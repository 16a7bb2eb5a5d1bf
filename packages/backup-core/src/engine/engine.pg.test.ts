import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type SmallSite, startSite } from './engine.fixture.ts';

let world: SmallSite;
beforeEach(async () => {
  world = await startSite();
});
afterEach(() => world[Symbol.asyncDispose]());

const patience = { timeout: 50_000, interval: 100 };
const regions = ['paris', 'douala'] as const;

/** Everything is in both regions, named in both, and gone from this disk. */
async function settled(): Promise<void> {
  await expect
    .poll(() => {
      const { regions: found, jobs } = world.engine.status();
      const waiting = found.map(({ waiting: { objects }, entriesBehind }) => objects + entriesBehind);
      const onDisk = readdirSync(join(world.cluster.dir, 'backup', 'ready'));
      return { waiting, onDisk, dump: jobs.dump.lastAt !== null, base: jobs.base.lastAt !== null };
    }, patience)
    .toEqual({ waiting: [0, 0], onDisk: [], dump: true, base: true });
}

test('a new site has a base, a dump and all WAL in both regions, each once and readable from either alone', async () => {
  await world.cluster.query(`create table pupil as select i, md5(i::text) from generate_series(1, 10000) i`);
  await world.start();
  const segments = [await world.commit(), await world.commit()];
  await settled();
  const names = async (region: (typeof regions)[number]) =>
    (await world.openAll(region)).map(({ name }) => name).sort();
  const paris = await names('paris');
  expect(await names('douala')).toEqual(paris);
  for (const kind of ['base', 'dump', ...segments]) expect(paris.join()).toContain(kind);
  for (const region of regions) expect(await world.twice(region)).toEqual([]);
  const { rpo, alarms, chains, regions: standing } = world.engine.status();
  expect(rpo.seconds).toBeLessThan(300);
  expect(alarms).toEqual([]);
  expect(chains).toMatchObject([{ hasGap: false }]);
  expect(standing[0]?.lastDumpAt).not.toBeNull();
});

test('a region that is down holds up nobody, says so, and catches up', async () => {
  world.servers.douala.faults.add({ refuse: { status: 503, code: 'SlowDown' } });
  await world.start();
  const segment = await world.commit();
  await expect
    .poll(async () => (await world.live('paris').catch(() => [])).map(({ name }) => name).join(), patience)
    .toContain(segment);
  await expect
    .poll(() => world.engine.status().alarms.map(({ code }) => code), patience)
    .toContain('REGION_TROUBLE');
  expect(world.engine.status().rpo.seconds).toBeNull();
  world.servers.douala.faults.clear();
  world.engine.hurry();
  await settled();
  expect((await world.openAll('douala')).map(({ name }) => name).join()).toContain(segment);
  expect(world.engine.status().alarms).toEqual([]);
});

test('an engine that starts again goes on where it was, and makes nothing twice', async () => {
  await world.start();
  await world.commit();
  await settled();
  const before = await world.live('paris');
  await world.stop();
  await world.start();
  const segment = await world.commit();
  await settled();
  await expect.poll(async () => (await world.live('douala')).length, patience).toBeGreaterThan(before.length);
  const after = await world.live('douala');
  expect(after.filter(({ kind }) => kind === 'dump')).toHaveLength(1);
  expect(after.map(({ name }) => name).join()).toContain(segment);
  expect(new Set(after.map(({ name }) => name)).size).toBe(after.length);
});
