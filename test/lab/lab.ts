/**
 * The lab: a cloud, one campus or several, and the cable of each, on one machine.
 *
 * `openLab` takes the state folder, ends what an earlier lab left running there, and chooses ports. `up` starts everything in
 * order: the databases, the cables, the cloud's Skooly and relay, each campus's Skooly and appliance; it resolves when each campus
 * has its rows. A process that ends is started again. `down` ends all of it; the databases stay, and the next `up` goes on
 * from them.
 *
 * The cables live in this process: when it is killed, the campuses are cut off until the next `up`, where the cables are healed.
 * Where nothing else is said, the first campus is meant.
 */
import { Cable } from './cable/cable.ts';
import { LabCloud } from './cloud/cloud.ts';
import { LabError } from './errors.ts';
import { KeptProcess } from './processes/kept-process.ts';
import { runToEnd } from './processes/node-process.ts';
import { compareCampuses, type WholeComparison } from './verify/several.ts';
import * as campus from './world/campus.ts';
import { type KeptName, keptName } from './world/campuses.ts';
import * as cloud from './world/cloud.ts';
import { type OpenWorld, openWorld, type WorldOptions } from './world/open-world.ts';
import { regionPlaces, regionProcesses } from './world/regions.ts';
import {
  type Addresses,
  addressesOf,
  askAppliance,
  type CampusStatus,
  type LabStatus,
} from './world/status.ts';
import { waitForRows } from './world/wait-for-rows.ts';
import { type ProcessName, processNames, type RunStep, type World } from './world/world.ts';

export interface LabOptions extends WorldOptions {
  /** For the cable's losses. */
  readonly random?: () => number;
  /** One line for a person; nothing is said otherwise. */
  readonly report?: (line: string) => void;
}

export async function openLab(options: LabOptions): Promise<Lab> {
  return new Lab(await openWorld(options), options);
}

export class Lab {
  /** Of the first campus. */
  readonly cable: Cable;
  readonly addresses: (campus?: string) => Addresses;
  readonly world: World;
  /** Its backups. */
  readonly cloud: LabCloud;
  /** The names of all campuses, the first one first. */
  readonly campuses: readonly string[];
  readonly #opened: OpenWorld;
  readonly #report: (line: string) => void;
  readonly #processes: ReadonlyMap<KeptName, KeptProcess>;
  readonly #cables: ReadonlyMap<string, Cable>;
  readonly #ending = new AbortController();
  #state: LabStatus['lab'] = 'down';
  #down: Promise<void> | null = null;

  constructor(opened: OpenWorld, options: LabOptions) {
    this.#opened = opened;
    this.world = opened.world;
    this.#report = options.report ?? (() => undefined);
    const random = options.random === undefined ? {} : { random: options.random };
    this.campuses = this.world.campuses;
    this.#cables = new Map(this.campuses.map((name) => [name, new Cable(random)]));
    this.cable = this.cableOf(this.world.campus);
    this.addresses = (name) => addressesOf(this.#worldOf(name));
    this.#processes = this.#keptProcesses();
    this.cloud = new LabCloud(this.world, {
      stop: () => this.stop('cloud-postgres'),
      start: () => this.start('cloud-postgres'),
    });
    if (opened.leftovers > 0)
      this.#report(`Ended ${opened.leftovers} processes that an earlier lab had left running.`);
  }

  /** Remembers where the lab can be reached, for commands in other processes. */
  announce(controlSocket: string): void {
    this.#opened.recorder.change({ controlSocket });
  }

  /** Resolves when the whole world is ready. Rejects at the first step that fails, or when `down` is called meanwhile. */
  async up(): Promise<void> {
    this.#state = 'starting';
    const { world } = this;
    const each = (work: (its: World) => Promise<unknown> | undefined) =>
      all(...this.#opened.campuses.map(work));
    await this.#step('Postgres in the cloud and on campus, regions', () =>
      all(
        this.#startAll('cloud-postgres', ...regionPlaces.map(({ process }) => process)),
        each((its) => this.#startOn(its, 'campus-postgres')),
      ),
    );
    await this.#step('database structure on both sides', () =>
      all(
        cloud.makeCloudDatabase(world, this.#run),
        each((its) => campus.makeCampusDatabase(its, this.#runOn(its))),
      ),
    );
    await this.#step(`rows in the cloud (${world.other === null ? world.seed : 'seed.sql'})`, () =>
      cloud.seedCloud(world, this.#run),
    );
    await this.#step('both databases made ready for the sync', () =>
      all(
        cloud.prepareCloud(world, this.#run),
        each((its) => campus.prepareCampus(its, this.#runOn(its))),
      ),
    );
    await this.#step('cable between campus and cloud', () => each((its) => this.#layCable(its)));
    await this.#step('cloud', () => this.#startAll('cloud-skooly', 'relay'));
    await this.#step('box enrolled', async () => {
      for (const its of this.#opened.campuses) await this.#enrol(its);
    });
    await this.#step('campus', () => each((its) => this.#startOn(its, 'campus-skooly', 'appliance')));
    await this.#step('campus has its rows from the cloud', () =>
      each((its) =>
        waitForRows(addressesOf(its).campus.admin, { signal: this.#ending.signal, report: this.#report }),
      ),
    );
    this.#state = 'up';
  }

  /** Ends everything in order and gives the folder back. May be called twice, and while `up` is on its way. */
  down(): Promise<void> {
    this.#down ??= this.#end();
    return this.#down;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }

  /** @throws LabError OPTION_INVALID when there is no such campus. */
  cableOf(name: string): Cable {
    const cable = this.#cables.get(name);
    if (cable !== undefined) return cable;
    throw noCampus(name, this.campuses);
  }

  /** Kills a process as a crash would; it starts again by itself after a pause, or with `hold` when `start` says so. */
  async kill(
    name: KeptName,
    signal: NodeJS.Signals = 'SIGKILL',
    options: { hold?: boolean; campus?: string | undefined } = {},
  ): Promise<void> {
    await this.#process(name, options.campus).kill(signal, options);
  }

  /** Resolves when the process is ready, at once when it is. */
  async start(name: KeptName, options: { campus?: string | undefined } = {}): Promise<void> {
    await this.#process(name, options.campus).start();
  }

  /** Ends a process in order; it stays ended until `start`. */
  async stop(name: KeptName, options: { campus?: string | undefined } = {}): Promise<void> {
    await this.#process(name, options.campus).stop();
  }

  /**
   * A campus's box dies with its disk, and another one is set up in its place: an empty database, a key of its own, enrolled, filled
   * from the cloud. @returns the state folder of the dead one, as its last backup would hold it
   */
  async replaceBox(name = this.world.campus): Promise<string> {
    const its = this.#worldOf(name);
    const apps: readonly ProcessName[] = its.other === null ? ['campus-skooly', 'appliance'] : ['appliance'];
    for (const process of [...apps, 'campus-postgres'] as const)
      await this.kill(process, 'SIGKILL', { hold: true, campus: name });
    const saved = campus.loseBox(its);
    await this.#startOn(its, 'campus-postgres');
    await campus.makeCampusDatabase(its, this.#runOn(its));
    await campus.prepareCampus(its, this.#runOn(its));
    await this.#enrol(its);
    await this.#startOn(its, ...apps);
    const { admin } = addressesOf(its).campus;
    await waitForRows(admin, { signal: this.#ending.signal, report: this.#report });
    return saved;
  }

  /** Where a campus's appliance keeps its log and its key. */
  stateDirOf(campus: string): string {
    return this.#worldOf(campus).layout.edgeState;
  }

  async status(): Promise<LabStatus> {
    const campuses = await Promise.all(this.#opened.campuses.map((its) => this.#campusStatus(its)));
    const { state, cable, sync } = campuses[0] as CampusStatus;
    return {
      state,
      lab: this.#state,
      dir: this.world.layout.dir,
      cable,
      ...this.addresses(),
      sync,
      campuses,
      processes: [...this.#processes.values()].map((process) => process.status()),
    };
  }

  /** Compares all sites row by row, or one campus with the cloud, waiting up to `waitSeconds` for them to become equal. */
  async verify(options: { waitSeconds?: number; campus?: string } = {}): Promise<WholeComparison> {
    const names = options.campus === undefined ? this.campuses : [options.campus];
    return await compareCampuses(
      names.map((name) => this.addresses(name)),
      { syncMapFile: this.world.syncMapFile, waitSeconds: options.waitSeconds ?? 0 },
    );
  }

  async #campusStatus(its: World): Promise<CampusStatus> {
    const { campus: addresses } = addressesOf(its);
    const appliance = await askAppliance(addresses.admin);
    const cable = this.cableOf(its.campus).status();
    return { ...addresses, state: appliance?.state ?? 'UNKNOWN', cable, sync: appliance?.sync ?? null };
  }

  async #enrol(its: World): Promise<void> {
    if (campus.hasBoxKey(its) && (await cloud.trustsCampus(its))) return;
    await campus.enrolCampus(its, this.#runOn(its), await cloud.pairCampus(its, this.#run));
  }

  #worldOf(name = this.world.campus): World {
    const its = this.#opened.campuses.find((world) => world.campus === name);
    if (its !== undefined) return its;
    throw noCampus(name, this.campuses);
  }

  #process(name: KeptName, campusName?: string): KeptProcess {
    const full =
      campusName === undefined ? name : keptName(name as ProcessName, campusName, this.world.campus);
    const process = this.#processes.get(full);
    if (process !== undefined) return process;
    throw new LabError(
      'OPTION_INVALID',
      `This lab has no process ${full}.`,
      `It has ${[...this.#processes.keys()].join(', ')}.`,
    );
  }

  #keptProcesses(): ReadonlyMap<KeptName, KeptProcess> {
    const hooks = {
      onSpawn: (name: string, pid: number) => this.#opened.recorder.spawned(name, pid),
      report: this.#report,
    };
    const onNote = this.#report;
    const specs = [
      ...cloud.cloudProcesses(this.world, onNote),
      ...regionProcesses(this.world),
      ...this.#opened.campuses.flatMap((its) => campus.campusProcesses(its, onNote)),
    ];
    const order = (name: KeptName) => processNames.findIndex((known) => name.startsWith(known));
    const kept = specs.map((spec) => [spec.name as KeptName, new KeptProcess(spec, hooks)] as const);
    return new Map(kept.toSorted(([a], [b]) => order(a) - order(b)));
  }

  async #startAll(...names: KeptName[]): Promise<void> {
    await all(...names.map((name) => this.#processes.get(name)?.start()));
  }

  async #startOn(its: World, ...names: ProcessName[]): Promise<void> {
    await this.#startAll(...names.map((name) => keptName(name, its.campus, this.world.campus)));
  }

  async #layCable(its: World): Promise<void> {
    const { relay, cloudSkooly, cableRelay, cableSkooly } = its.ports;
    const cable = this.cableOf(its.campus);
    await cable.lay({ host: '127.0.0.1', port: relay }, cableRelay);
    await cable.lay({ host: '127.0.0.1', port: cloudSkooly }, cableSkooly);
    for (const { port, cablePort } of regionPlaces)
      await cable.lay({ host: '127.0.0.1', port: its.ports[port] }, its.ports[cablePort]);
  }

  async #step(title: string, work: () => Promise<void>): Promise<void> {
    this.#ending.signal.throwIfAborted();
    const started = performance.now();
    await work();
    this.#report(`  ${title.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`);
  }

  /** Runs a step with the log and the record of this campus. */
  readonly #runOn = (its: World): RunStep => {
    return async (name, script, args, env = {}) => {
      const { recorder } = this.#opened;
      const command = { name: `${name} (${args[0]})`, script, args, env, logFile: its.layout.log(name) };
      const record = `${name} ${args[0]} ${its.campus}`;
      try {
        return await runToEnd(command, (pid) => recorder.spawned(record, pid), this.#ending.signal);
      } finally {
        recorder.ended(record);
      }
    };
  };

  readonly #run: RunStep = (...step) => this.#runOn(this.world)(...step);

  async #end(): Promise<void> {
    this.#state = 'stopping';
    this.#ending.abort(
      new LabError('LAB_NOT_RUNNING', 'The lab was ended while it started.', 'Start it again.'),
    );
    const stop = (...kinds: ProcessName[]) => {
      const due = [...this.#processes].filter(([name]) => kinds.some((kind) => name.startsWith(kind)));
      return Promise.all(due.map(([, process]) => process.stop()));
    };
    await stop('appliance', 'campus-skooly', 'relay', 'cloud-skooly');
    await Promise.all([...this.#cables.values()].map((cable) => cable.close()));
    await stop('campus-postgres', 'cloud-postgres', 'region-paris', 'region-douala');
    this.#opened.recorder.change({ processes: {}, controlSocket: null });
    this.#opened.release();
    this.#state = 'down';
  }
}

/** Waits for all of them even when one fails, so that nothing goes on behind the error's back. */
async function all(...work: (Promise<unknown> | undefined)[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function noCampus(name: string, campuses: readonly string[]): LabError {
  return new LabError('OPTION_INVALID', `This lab has no campus ${name}.`, `It has ${campuses.join(', ')}.`);
}
