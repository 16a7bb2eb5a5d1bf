/**
 * One seed, one history: a cloud and its campuses over model databases, people who work at both, faults, and the engine's own
 * ingest, feed builder, sync log, draining and follower between them. When the work is done everything is mended, the sites
 * come to rest, and the checks look at what is there and at everything that was ever committed.
 *
 * What is real: merge, ingest, parked transactions, feed builder, sync log (SQLite in memory), drain, follower, assembler, codec of
 * transactions. What is modelled: Postgres, the network, time, processes and their deaths. It does not promise that Postgres
 * does what its model does: that is for the tests over real Postgres.
 */
import type { Row } from '@skooly-edge/sync-protocol';
import { type Bug, bugNamed } from './bugs/bugs.ts';
import { type Campus, newLogFile } from './campus.ts';
import { check, type World } from './check/check.ts';
import { checkRestored } from './check/check-restored.ts';
import { Database } from './database/database.ts';
import { befall } from './faults.ts';
import { History } from './history.ts';
import { planOf } from './plan.ts';
import { restoreSometime } from './restore.ts';
import { repairAll } from './resync.ts';
import { actSomehow } from './school/acts.ts';
import { type Acknowledged, Desk } from './school/desk.ts';
import { firstRows } from './school/first-rows.ts';
import { schoolCatalog, schoolTables } from './school/schema.ts';
import { settle } from './settle.ts';
import { Box } from './sites/box.ts';
import { campusTables, cloudTables, theOne } from './sites/engine-tables.ts';
import { Relay } from './sites/relay.ts';
import { Trace } from './trace.ts';
import { Chance } from './world/chance.ts';
import { Line } from './world/network.ts';
import { Scheduler } from './world/scheduler.ts';

export interface SimulationResult {
  seed: number;
  /** What does not hold; empty when all is well. */
  problems: string[];
  transactions: number;
  conflicts: number;
  parked: number;
  faults: number;
  /** Virtual. */
  seconds: number;
  trace: string[];
}

export interface SimulationOptions {
  bug?: string;
  trace?: boolean;
  /** The cloud is restored to an earlier point in the midst of the work; one seed in five unless told. */
  restores?: boolean;
}

/** 2026-11-23, 05:00 UTC. */
const maxRepairs = 4;
const entriesWait = / entries wait at /;

const startUs = 1_795_410_000_000_000;

export async function simulate(
  seed: number,
  { bug, trace = false, restores = seed % 5 === 4 }: SimulationOptions = {},
): Promise<SimulationResult> {
  const world = buildWorld(seed, bugNamed(bug), new Trace(trace));
  const problems: string[] = [];
  try {
    await run(world, restores);
    const unsettled = await (restores ? settleAndRepair(world) : settle(world));
    problems.push(...unsettled);
    if (unsettled.length === 0) problems.push(...(restores ? checkRestored(world) : check(world)));
  } catch (error) {
    problems.push(`the engine failed: ${(error as Error).stack ?? error}`);
  }
  for (const { box } of world.campuses) box.options.logFile.close();
  const conflicts = [...world.cloud.table('sync.conflict').rows.values()].length;
  return {
    seed,
    problems,
    transactions: world.ledger.length,
    conflicts,
    parked: world.cloud.table('sync.parked').rows.size,
    faults: world.plan.faults.length,
    seconds: Math.round((world.scheduler.nowUs - startUs) / 1e6),
    trace: world.trace.lines,
  };
}

function buildWorld(seed: number, bug: Bug, trace: Trace): World {
  const scheduler = new Scheduler(startUs);
  const plan = planOf(seed);
  trace.begin(scheduler, startUs);
  const cloudHistory = new History();
  const cloud = new Database({
    name: 'cloud',
    tables: [...schoolTables, ...cloudTables],
    scheduler,
    chance: Chance.stream(seed, 'cloud'),
  });
  cloud.onRecord = (record) => trace.commit('cloud', cloudHistory.add(record, scheduler.nowUs));
  put(cloud, 'sync.site', { ...theOne, epoch: 'cloud-1', timeline: '1' });
  put(cloud, 'sync.feed_position', { ...theOne, lsn: '0' });
  const relay = new Relay({
    database: cloud,
    catalog: schoolCatalog,
    scheduler,
    chance: Chance.stream(seed, 'relay'),
    wrap: bug.relay,
    maxPartChanges: plan.maxPartChanges,
  });
  const drifts: string[] = [];
  const campuses = plan.campuses.map((name): Campus => {
    put(cloud, 'sync.follower', { campus: name, feed_seq: '0', stamp_epoch: '', stamp_seq: '0' });
    const history = new History();
    const chance = Chance.stream(seed, name);
    const database = new Database({ name, tables: [...schoolTables, ...campusTables], scheduler, chance });
    database.onRecord = (record) => trace.commit(name, history.add(record, scheduler.nowUs));
    put(database, 'sync.cursor', {
      ...theOne,
      epoch: 'cloud-1',
      seq: '0',
      fork_seq: '0',
      stamp_epoch: '',
      stamp_seq: '0',
    });
    const line = new Line(scheduler, chance);
    line.loss = plan.loss;
    line.twice = plan.twice;
    const box = new Box({
      campus: name,
      database,
      logFile: newLogFile(),
      logEpoch: `${name}-log`,
      relay,
      line,
      catalog: schoolCatalog,
      scheduler,
      chance,
      quietChance: Chance.stream(seed, `${name} in quiet moments`),
      wrap: bug.box,
      maxPartChanges: plan.maxPartChanges,
      onDrift(table, key, at) {
        // Whose a row is that belongs through another is learnt late: a correction follows.
        if (schoolCatalog.tables.get(table)?.through) return;
        drifts.push(`${name}: ${table} ${JSON.stringify(key)} at entry ${at}`);
      },
    });
    return { name, database, history, box, line };
  });
  for (const { table, row, campus } of firstRows(plan.campuses)) {
    put(cloud, table, row);
    for (const { name, database } of campuses)
      if (campus === null || campus === name) put(database, table, row);
  }
  const ledger: Acknowledged[] = [];
  return {
    seed,
    scheduler,
    plan,
    cloud,
    cloudHistory,
    relay,
    campuses,
    ledger,
    held: new Map(),
    drifts,
    trace,
  };
}

function put(database: Database, name: string, values: Row): void {
  const table = database.table(name);
  const row = Object.fromEntries(table.columnNames.map((column) => [column, values[column] ?? null]));
  table.put(table.idOf(row), { row, writtenAt: startUs - 1_000_000_000, origin: null });
}

/**
 * A repair may meet what an earlier one has not brought yet. Entries that wait for rows that the cloud has lost wait until it has
 * brought them.
 */
async function settleAndRepair(world: World): Promise<string[]> {
  for (let round = 1; ; round++) {
    const unsettled = await settle(world);
    const isStuck = unsettled.some((reason) => !entriesWait.test(reason));
    if (isStuck || round > maxRepairs || (await repairAll(world)) === 0) return unsettled;
  }
}

/** Everybody works, and the faults befall them. */
async function run(world: World, restores: boolean): Promise<void> {
  const { scheduler, plan, seed, relay, campuses } = world;
  relay.start();
  for (const { box } of campuses) box.start();
  let working = 0;
  let token = 0;
  const work = async (site: string, database: Database, acts: number, name: string) => {
    const chance = Chance.stream(seed, name);
    const desk = new Desk({
      site,
      database,
      scheduler,
      chance,
      ledger: world.ledger,
      token: (at) => `t:${at}.${++token}`,
    });
    for (let act = 0; act < acts; act++) {
      await desk.sleep(chance.delay(plan.lastsUs / acts));
      const campus = site === 'cloud' ? chance.pick(plan.campuses) : site;
      await desk.transact(() => actSomehow(desk, campus, !restores));
    }
    working--;
  };
  const begin = (...[site, database, acts, name]: Parameters<typeof work>) => {
    working++;
    work(site, database, acts, name).catch((error) => scheduler.fail(error));
  };
  for (const { name, database } of campuses) {
    begin(name, database, Math.ceil(plan.actsPerCampus / 2), `${name} desk 1`);
    begin(name, database, Math.floor(plan.actsPerCampus / 2), `${name} desk 2`);
  }
  begin('cloud', world.cloud, Math.ceil(plan.actsInCloud / 2), 'cloud desk 1');
  begin('cloud', world.cloud, Math.floor(plan.actsInCloud / 2), 'cloud desk 2');
  for (const fault of plan.faults) scheduler.after(fault.atUs, () => befall(world, fault));
  if (restores) restoreSometime(world);
  const ending = await scheduler.run(() => working === 0, 100 * plan.lastsUs);
  if (ending !== 'done') throw new Error(`people could not finish their work (${ending})`);
}
