import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type SmallSite, site, startSite } from '../../packages/backup-core/src/engine/engine.fixture.ts';
import type { Operation } from '../support/s3/operation.ts';
import { type Killable, startKillable } from './backup-crash/killable.ts';

const regions = ['paris', 'douala'] as const;
const partBytes = 5 * 1024 * 1024;
const patience = { timeout: 90_000, interval: 200 };

let world: SmallSite;
let engine: Killable;

beforeAll(async () => {
  world = await startSite();
  // Random enough to stay larger than two parts when it is compressed.
  await world.cluster.query(
    `create table blob as select i, md5(random()::text) || md5(random()::text) || md5(random()::text) as noise
       from generate_series(1, 250000) i`,
  );
  await restart();
});
afterAll(async () => {
  engine?.kill();
  await world?.[Symbol.asyncDispose]();
});

async function restart(): Promise<void> {
  engine = await startKillable(world.config);
  await world.archiveInto(engine.archiveCommand);
}

/** It follows no links, so what is handed over through one comes as bytes, and lies in its incoming folder before it is sealed. */
async function archiveThroughLinks(): Promise<void> {
  const folder = join(world.cluster.dir, 'links');
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o777);
  const link = `"${folder}/%f"`;
  const command = engine.archiveCommand.replace('"%p"', link);
  await world.archiveInto(`ln -sfn "$PWD/%p" ${link} && ${command}`);
}

const ready = () => join(world.config.folder, 'ready');
const incoming = (folder: string) => join(world.config.folder, 'incoming', folder);

async function settled(): Promise<void> {
  await expect
    .poll(async () => {
      const { regions: found, jobs } = await engine.status();
      return {
        waiting: found.map(({ waiting, entriesBehind }) => waiting.objects + entriesBehind),
        onDisk: [...readdirSync(ready()), ...readdirSync(incoming('wal'))],
        made: [jobs.dump, jobs.base].map(({ lastAt, running }) => lastAt !== null && !running),
      };
    }, patience)
    .toEqual({ waiting: [0, 0], onDisk: [], made: [true, true] });
}

/** Both regions hold what their manifests name, each once, and nothing else. */
async function expectSound(segment: string): Promise<void> {
  const live = await Promise.all(regions.map((region) => world.live(region)));
  const names = live.map((objects) => objects.map(({ name }) => name).sort());
  expect(names[1]).toEqual(names[0]);
  expect(names[0]?.join()).toContain(segment);
  for (const region of regions) {
    expect(await world.twice(region)).toEqual([]);
    const held: string[] = [];
    for await (const { name } of world.region(region).list(`${site}/`))
      if (!/\/(manifest|page)\//.test(name)) held.push(name);
    expect(held.sort()).toEqual(names[0]);
  }
  const { chains, alarms } = await engine.status();
  expect(chains.every(({ hasGap }) => !hasGap)).toBe(true);
  expect(alarms).toEqual([]);
}

type Step = (kill: () => void) => () => void;

/** Kills as soon as a region is asked so, or a little after it did it without its answer being heard. */
function atRequest(
  on: Operation,
  key: string,
  options: { afterwards?: boolean; count?: () => number } = {},
): Step {
  return (kill) => {
    const { faults } = world.servers.paris;
    const take = faults.take.bind(faults);
    let seen = 0;
    faults.take = (operation, name) => {
      const isIt = operation === on && name.includes(key) && ++seen >= (options.count?.() ?? 1);
      if (!isIt) return take(operation, name);
      if (!options.afterwards) kill();
      else setTimeout(kill, 300);
      return options.afterwards ? { cutAnswer: true } : take(operation, name);
    };
    return () => {
      faults.take = take;
    };
  };
}

function atFile(folder: () => string, isIt: (name: string) => boolean): Step {
  return (kill) => {
    const watcher = watch(folder(), (_event, name) => {
      if (name && isIt(name) && existsSync(join(folder(), name))) kill();
    });
    return () => watcher.close();
  };
}

const partsOfDump = () => {
  const dump = readdirSync(ready()).find((name) => name.includes('+dump+') && !name.endsWith('.json'));
  return dump ? Math.ceil(statSync(join(ready(), dump)).size / partBytes) : Number.POSITIVE_INFINITY;
};

/** Those that pass through the incoming folder. */
const sentSteps = ['while WAL comes in', 'when WAL is taken, before it is sealed'];

const steps: Record<string, Step> = {
  'while WAL comes in': atFile(
    () => incoming('part'),
    () => true,
  ),
  'when WAL is taken, before it is sealed': atFile(
    () => incoming('wal'),
    (name) => name.includes('~'),
  ),
  'while WAL is sealed where it lies': atFile(ready, (name) => name.includes('+wal+')),
  'while a dump is encrypted': atFile(ready, (name) => name.includes('+dump+')),
  'when an object is sealed, before it is queued': atFile(ready, (name) => name.endsWith('.json.new')),
  'when an object is queued': atFile(ready, (name) => name.endsWith('.json')),
  'before an upload in parts is begun': atRequest('CreateMultipartUpload', '/dump/'),
  'when an upload in parts was begun': atRequest('CreateMultipartUpload', '/dump/', { afterwards: true }),
  'at part 1': atRequest('UploadPart', '/dump/'),
  'at the last part': atRequest('UploadPart', '/dump/', { count: partsOfDump }),
  'before it is completed': atRequest('CompleteMultipartUpload', '/dump/'),
  'when it was completed': atRequest('CompleteMultipartUpload', '/dump/', { afterwards: true }),
  'before a segment is stored': atRequest('PutObject', '/wal/'),
  'when a segment was stored': atRequest('PutObject', '/wal/', { afterwards: true }),
  'before an entry of the manifest': atRequest('PutObject', '/manifest/'),
  'after an entry of the manifest': atRequest('PutObject', '/manifest/', { afterwards: true }),
};

describe('kill -9 of the engine', () => {
  test('left alone, it brings everything to both regions', async () => {
    const segment = await world.commit();
    await settled();
    await expectSound(segment);
  });

  for (const [name, step] of Object.entries(steps)) {
    test(`${name}: both regions hold every object once`, async () => {
      if (sentSteps.includes(name)) await archiveThroughLinks();
      let isKilled = false;
      const off = step(() => {
        isKilled = true;
        engine.kill();
      });
      engine.dump();
      await world.commit();
      await Promise.race([engine.ended, sleep(patience.timeout)]);
      off();
      expect(isKilled).toBe(true);
      await restart();
      const segment = await world.commit();
      await expect
        .poll(
          async () => (await world.live('douala')).some(({ name: live }) => live.includes(segment)),
          patience,
        )
        .toBe(true);
      await settled();
      await expectSound(segment);
    });
  }

  test('and afterwards every object can be read, from either region alone', async () => {
    for (const region of regions)
      expect((await world.openAll(region)).length).toBeGreaterThan(Object.keys(steps).length);
  });
});
