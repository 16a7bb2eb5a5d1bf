import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type SpoolLimits, usualLimits } from '../spool/bounds.ts';
import { type SmallSite, startSite } from './engine.fixture.ts';

let world: SmallSite;
beforeEach(async () => {
  world = await startSite();
});
afterEach(() => world[Symbol.asyncDispose]());

const MIB = 1024 * 1024;
/** Room for a base, and two segments of what nothing compresses. */
const limits: SpoolLimits = { ...usualLimits, maxBytes: 48 * MIB, reserveBytes: 0, tightAt: 0.5 };
const patience = { timeout: 60_000, interval: 100 };
const down = { refuse: { status: 503, code: 'SlowDown' } };

/** @returns the name of a segment that is full of noise, once Postgres has handed it over or was refused. */
async function writeSegment(): Promise<string> {
  await world.cluster.query(`select count(pg_logical_emit_message(false, 'noise', bytes)) from noise`);
  const segment = await world.commit();
  const isHeard = ({ refused, kept }: Awaited<ReturnType<typeof archiver>>) => refused || kept === 0;
  await expect.poll(async () => isHeard(await archiver()), patience).toBe(true);
  return segment;
}

async function archiver() {
  const [found] = await world.cluster.query<{ refused: boolean; kept: number }>(
    `select last_failed_time > coalesce(last_archived_time, '-infinity') as refused,
            (select count(*)::int from pg_ls_archive_statusdir() where name like '%.ready') as kept
       from pg_stat_archiver`,
  );
  return found ?? { refused: false, kept: 0 };
}

const isStopped = ({ refused }: { refused: boolean }) => refused && alarms().includes('ARCHIVE_STOPPED');
const alarms = () => world.engine.status().alarms.map(({ code }) => code);
const given = (how: 'drop' | 'leave') =>
  world.events.flatMap((event) => (event.event === 'given-up' && event.how === how ? [event.name] : []));
const walTaken = () =>
  world.events.flatMap((event) =>
    event.event === 'sealed' && event.object.kind === 'wal' ? [event.object] : [],
  );

test('a spool at its bound drops old dumps, then lets Postgres keep its WAL and says so; with one region back it goes on, with both everything is in both', async () => {
  for (const server of Object.values(world.servers)) server.faults.add(down);
  await world.cluster.query(
    `create temporary table noise as select string_agg(decode(md5(random()::text || i), 'hex'), '') as bytes
       from generate_series(1, 900000) i group by i % 900`,
  );
  await world.start({ limits });
  const made = () => world.engine.status().jobs;
  await expect.poll(() => made().dump.lastAt !== null && made().base.lastAt !== null, patience).toBe(true);
  await world.engine.dumpNow();
  await world.engine.dumpNow();
  const dumps = world.events.flatMap((event) =>
    event.event === 'sealed' && event.object.kind === 'dump' ? [event.object.name] : [],
  );

  const segments: string[] = [];
  await expect
    .poll(async () => {
      if (!isStopped(await archiver())) segments.push(await writeSegment());
      return isStopped(await archiver());
    }, patience)
    .toBe(true);
  await expect.poll(() => given('drop').toSorted(), patience).toEqual(dumps.slice(0, 2).toSorted());
  await expect(world.engine.dumpNow()).rejects.toMatchObject({ code: 'BACKUP_NO_ROOM' });
  expect((await archiver()).kept).toBeGreaterThan(0);
  const onDisk = readdirSync(join(world.cluster.dir, 'backup', 'ready'), { recursive: true }).join('\n');
  for (const { name } of walTaken()) expect(onDisk).toContain(name.split('/').at(-1));

  // One region is enough for the school to go on: what it holds leaves this disk.
  world.servers.paris.faults.clear();
  world.engine.hurry();
  for (let i = 0; i < 2; i++) segments.push(await writeSegment());
  await expect
    .poll(async () => {
      world.engine.hurry();
      // The archiver waits a minute after three refusals, or until it is woken.
      await world.cluster.query('select pg_reload_conf()');
      return (await archiver()).kept;
    }, patience)
    .toBe(0);
  await expect.poll(() => given('leave').length, patience).toBeGreaterThan(0);

  world.servers.douala.faults.clear();
  world.engine.hurry();
  await expect
    .poll(() => {
      world.engine.hurry();
      const waiting = world.engine.status().regions.map((one) => one.waiting.objects + one.entriesBehind);
      return { waiting, alarms: alarms() };
    }, patience)
    .toEqual({ waiting: [0, 0], alarms: [] });
  for (const region of ['paris', 'douala'] as const) {
    const names = (await world.openAll(region)).map(({ name }) => name);
    for (const segment of segments) expect(names.join('\n')).toContain(segment);
    for (const name of dumps.slice(0, 2)) expect(names).not.toContain(name);
    expect(names).toContain(dumps[2]);
  }
  expect(world.engine.status().chains).toMatchObject([{ hasGap: false }]);
  expect(given('drop')).toHaveLength(2);
}, 150_000);
