/**
 * The lab: a cloud, a campus, and the cable between them, on one machine.
 *
 * `openLab` takes the state folder, ends what an earlier lab left running there, and chooses ports. `up` starts everything in
 * order: both databases, the cable, the cloud's Skooly and relay, the campus's Skooly and appliance; it resolves when the campus
 * has its rows. A process that ends is started again. `down` ends all of it; the databases stay, and the next `up` goes on
 * from them.
 *
 * The cable lives in this process: when it is killed, the campus is cut off until the next `up`, where the cable is healed.
 */
import { Cable } from './cable/cable.ts';
import { LabError } from './errors.ts';
import { KeptProcess } from './processes/kept-process.ts';
import { runToEnd } from './processes/node-process.ts';
import { type Comparison, compareSites } from './verify/verify.ts';
import * as campus from './world/campus.ts';
import * as cloud from './world/cloud.ts';
import { type OpenWorld, openWorld, type WorldOptions } from './world/open-world.ts';
import { postgresProcess } from './world/postgres-process.ts';
import { type Addresses, addressesOf, askAppliance, type LabStatus } from './world/status.ts';
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
  readonly cable: Cable;
  readonly addresses: () => Addresses;
  readonly world: World;
  readonly #opened: OpenWorld;
  readonly #report: (line: string) => void;
  readonly #processes: ReadonlyMap<ProcessName, KeptProcess>;
  readonly #ending = new AbortController();
  #state: LabStatus['lab'] = 'down';
  #down: Promise<void> | null = null;

  constructor(opened: OpenWorld, options: LabOptions) {
    this.#opened = opened;
    this.world = opened.world;
    this.#report = options.report ?? (() => undefined);
    this.cable = new Cable(options.random === undefined ? {} : { random: options.random });
    this.addresses = () => addressesOf(this.world);
    this.#processes = this.#keptProcesses();
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
    await this.#step('Postgres in the cloud and on campus', () =>
      this.#startAll('cloud-postgres', 'campus-postgres'),
    );
    await this.#step('database structure on both sides', () =>
      all(cloud.makeCloudDatabase(world, this.#run), campus.makeCampusDatabase(world, this.#run)),
    );
    await this.#step(`rows in the cloud (${world.other === null ? world.seed : 'seed.sql'})`, () =>
      cloud.seedCloud(world, this.#run),
    );
    await this.#step('both databases made ready for the sync', () =>
      all(cloud.prepareCloud(world, this.#run), campus.prepareCampus(world, this.#run)),
    );
    await this.#step('cable between campus and cloud', () => this.#layCable());
    await this.#step('cloud', () => this.#startAll('cloud-skooly', 'relay'));
    await this.#step('box enrolled', async () => {
      if (campus.hasBoxKey(world) && (await cloud.trustsCampus(world))) return;
      await campus.enrolCampus(world, this.#run, await cloud.pairCampus(world, this.#run));
    });
    await this.#step('campus', () => this.#startAll('campus-skooly', 'appliance'));
    await this.#step('campus has its rows from the cloud', () =>
      waitForRows(this.addresses().campus.admin, { signal: this.#ending.signal, report: this.#report }),
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

  /** Kills a process as a crash would; it starts again by itself after a pause, or with `hold` when `start` says so. */
  async kill(
    name: ProcessName,
    signal: NodeJS.Signals = 'SIGKILL',
    options: { hold?: boolean } = {},
  ): Promise<void> {
    await this.#process(name).kill(signal, options);
  }

  /** Resolves when the process is ready, at once when it is. */
  async start(name: ProcessName): Promise<void> {
    await this.#process(name).start();
  }

  /** Ends a process in order; it stays ended until `start`. */
  async stop(name: ProcessName): Promise<void> {
    await this.#process(name).stop();
  }

  async status(): Promise<LabStatus> {
    const addresses = this.addresses();
    const appliance = await askAppliance(addresses.campus.admin);
    return {
      state: appliance?.state ?? 'UNKNOWN',
      lab: this.#state,
      dir: this.world.layout.dir,
      cable: this.cable.status(),
      ...addresses,
      sync: appliance?.sync ?? null,
      processes: [...this.#processes.values()].map((process) => process.status()),
    };
  }

  /** Compares both sites row by row, waiting up to `waitSeconds` for them to become equal. */
  async verify(options: { waitSeconds?: number } = {}): Promise<Comparison> {
    const { cloud: inCloud, campus: onCampus } = this.addresses();
    return await compareSites({
      cloudUrl: inCloud.postgres,
      campusUrl: onCampus.postgres,
      syncMapFile: this.world.syncMapFile,
      campus: this.world.campus,
      pending: async () => (await askAppliance(onCampus.admin))?.sync.pendingTransactions ?? null,
      waitSeconds: options.waitSeconds ?? 0,
    });
  }

  #process(name: ProcessName): KeptProcess {
    const process = this.#processes.get(name);
    if (process !== undefined) return process;
    throw new LabError(
      'OPTION_INVALID',
      `This lab has no process ${name}.`,
      `It has ${[...this.#processes.keys()].join(', ')}.`,
    );
  }

  #keptProcesses(): ReadonlyMap<ProcessName, KeptProcess> {
    const { world } = this;
    const { layout, ports, postgresSettings: settings } = world;
    const onNote = this.#report;
    const specs = [
      postgresProcess({
        name: 'cloud-postgres',
        dir: layout.cloudPostgres,
        port: ports.cloudPostgres,
        settings,
        onNote,
      }),
      postgresProcess({
        name: 'campus-postgres',
        dir: layout.campusPostgres,
        port: ports.campusPostgres,
        settings,
        onNote,
      }),
      ...(world.other === null ? [cloud.cloudSkooly(world), campus.campusSkooly(world)] : []),
      cloud.relay(world),
      campus.appliance(world),
    ];
    const hooks = {
      onSpawn: (name: string, pid: number) => this.#opened.recorder.spawned(name, pid),
      report: this.#report,
    };
    const kept = specs.map((spec) => [spec.name as ProcessName, new KeptProcess(spec, hooks)] as const);
    return new Map(kept.toSorted(([a], [b]) => processNames.indexOf(a) - processNames.indexOf(b)));
  }

  async #startAll(...names: ProcessName[]): Promise<void> {
    await all(...names.map((name) => this.#processes.get(name)?.start()));
  }

  async #layCable(): Promise<void> {
    const { relay, cloudSkooly, cableRelay, cableSkooly } = this.world.ports;
    await this.cable.lay({ host: '127.0.0.1', port: relay }, cableRelay);
    await this.cable.lay({ host: '127.0.0.1', port: cloudSkooly }, cableSkooly);
  }

  async #step(title: string, work: () => Promise<void>): Promise<void> {
    this.#ending.signal.throwIfAborted();
    const started = performance.now();
    await work();
    this.#report(`  ${title.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s`);
  }

  readonly #run: RunStep = async (name, script, args, env = {}) => {
    const { recorder } = this.#opened;
    const command = { name: `${name} (${args[0]})`, script, args, env, logFile: this.world.layout.log(name) };
    const record = `${name} ${args[0]}`;
    try {
      return await runToEnd(command, (pid) => recorder.spawned(record, pid), this.#ending.signal);
    } finally {
      recorder.ended(record);
    }
  };

  async #end(): Promise<void> {
    this.#state = 'stopping';
    this.#ending.abort(
      new LabError('LAB_NOT_RUNNING', 'The lab was ended while it started.', 'Start it again.'),
    );
    const stop = (...names: ProcessName[]) =>
      Promise.all(names.map((name) => this.#processes.get(name)?.stop()));
    await stop('appliance', 'campus-skooly', 'relay', 'cloud-skooly');
    await this.cable.close();
    await stop('campus-postgres', 'cloud-postgres');
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
