import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { readSyncMap } from '@skooly-edge/sync-protocol';
import { LabError } from '../errors.ts';
import type { Settings } from '../postgres/settings.ts';
import { lockFolder } from '../processes/folder-lock.ts';
import { endLeftovers } from '../processes/leftovers.ts';
import { chooseCampuses, makeEdgeFolder, worldOfCampus } from './campuses.ts';
import { makeKeys } from './keys.ts';
import { layout, programs } from './layout.ts';
import { otherDatabase } from './other-database.ts';
import { chooseCampusPorts, choosePorts } from './ports.ts';
import { Recorder } from './recorder.ts';
import { type LabState, readState } from './state.ts';
import type { World } from './world.ts';

const FIRST_CAMPUS = 'mvan';

export interface WorldOptions {
  /** State folder; made when missing. */
  readonly dir: string;
  readonly seed?: LabState['seed'] | undefined;
  readonly seedNumber?: number | undefined;
  /** Folder with schema.sql, seed.sql and sync-map.json, in place of Skooly. */
  readonly database?: string | undefined;
  readonly campus?: string | undefined;
  /** How many campuses, one unless told. */
  readonly campuses?: number | undefined;
  /** First of consecutive ports; free ones otherwise. */
  readonly portBase?: number | undefined;
  readonly postgresSettings?: Settings;
  readonly env?: World['env'];
}

export interface OpenWorld {
  /** With its first campus. */
  readonly world: World;
  /** The lab as it is for each campus, the first one first. */
  readonly campuses: readonly World[];
  readonly recorder: Recorder;
  /** How many processes of an earlier lab were ended. */
  readonly leftovers: number;
  /** Gives the folder back. */
  release(): void;
}

/** Takes the folder for this process and brings it into order. What an option leaves open is as it was in this folder. */
export async function openWorld(options: WorldOptions): Promise<OpenWorld> {
  const places = layout(resolve(options.dir));
  mkdirSync(places.logs, { recursive: true });
  const release = lockFolder(places.lock);
  try {
    const before = readState(places.state);
    const choice = choose(options, before);
    const leftovers = await endLeftovers(Object.values(before?.processes ?? {}));
    const ports = await choosePorts(before?.ports ?? null, options.portBase);
    const others = choice.campuses.slice(1);
    const otherCampuses = await chooseCampusPorts(
      others,
      ports,
      before?.otherCampuses ?? {},
      options.portBase,
    );
    const other = choice.database === null ? null : otherDatabase(choice.database);
    const syncMapFile = other?.syncMap ?? programs.skoolySyncMap;
    const { campuses: _, ...remembered } = choice;
    const state: LabState = { ...remembered, ports, otherCampuses, controlSocket: null, processes: {} };
    const recorder = new Recorder(places.state, state);
    const world: World = {
      layout: places,
      ports,
      keys: makeKeys(places.keys, choice.campus, others),
      campus: choice.campus,
      campuses: choice.campuses,
      database: readSyncMap(syncMapFile).database,
      syncMapFile,
      other,
      seed: choice.seed,
      seedNumber: choice.seedNumber,
      postgresSettings: options.postgresSettings ?? {},
      env: options.env ?? {},
    };
    const campuses = [
      world,
      ...Object.entries(otherCampuses).map(([campus, its]) => worldOfCampus(world, campus, its)),
    ];
    for (const campus of campuses) makeEdgeFolder(campus);
    return { world, campuses, recorder, leftovers: leftovers.length, release };
  } catch (error) {
    release();
    throw error;
  }
}

type Choice = Pick<LabState, 'version' | 'campus' | 'seed' | 'seedNumber' | 'database'> & {
  campuses: readonly string[];
};

function choose(options: WorldOptions, before: LabState | null): Choice {
  const database = options.database === undefined ? undefined : resolve(options.database);
  const wanted = { ...options, database };
  for (const name of ['campus', 'seed', 'seedNumber', 'database'] as const) {
    const asked = wanted[name];
    if (before !== null && asked !== undefined && asked !== before[name])
      throw otherWorld(options.dir, name, before[name]);
  }
  const had = before === null ? null : 1 + Object.keys(before.otherCampuses ?? {}).length;
  if (had !== null && options.campuses !== undefined && options.campuses !== had)
    throw otherWorld(options.dir, 'number of campuses', had);
  const campus = before?.campus ?? options.campus ?? FIRST_CAMPUS;
  return {
    version: 1,
    campus,
    campuses: chooseCampuses(campus, had ?? options.campuses ?? 1),
    seed: before?.seed ?? options.seed ?? 'small',
    seedNumber: before?.seedNumber ?? options.seedNumber ?? null,
    database: before?.database ?? database ?? null,
  };
}

function otherWorld(dir: string, name: string, value: unknown): LabError {
  return new LabError(
    'OPTION_INVALID',
    `The lab in ${dir} was made with another ${name} (${value ?? 'none'}).`,
    'Throw it away first (npm run lab -- down --purge), or use another folder (--dir).',
  );
}
