/**
 * The campuses of a lab beside its first: each has what the first has, in a folder, on ports and with keys of its own. Seen as a
 * `World` of its own, so that what makes and starts a campus need not know how many there are.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LabError } from '../errors.ts';
import { campusKeys } from './keys.ts';
import type { CampusPorts } from './ports.ts';
import type { ProcessName, World } from './world.ts';

export const campusNames: readonly string[] = [
  'mvan',
  'bonaberi',
  'garoua',
  'bamenda',
  'bertoua',
  'maroua',
  'kribi',
  'ebolowa',
];

/** The first campus, and as many others as make up the number. */
export function chooseCampuses(first: string, count: number): readonly string[] {
  if (Number.isInteger(count) && count >= 1 && count <= campusNames.length)
    return [first, ...campusNames.filter((name) => name !== first)].slice(0, count);
  throw new LabError(
    'OPTION_INVALID',
    `A lab cannot have ${count} campuses.`,
    `Give a number from 1 to ${campusNames.length}.`,
  );
}

/** The lab as it is for another campus than the first. */
export function worldOfCampus(first: World, campus: string, ports: CampusPorts): World {
  const { layout } = first;
  const dir = campusFolder(layout.dir, campus);
  return {
    ...first,
    campus,
    layout: {
      ...layout,
      campusPostgres: join(dir, 'postgres'),
      edgeState: join(dir, 'edge'),
      log: (name) => layout.log(`${name}-${campus}`),
    },
    ports: { ...first.ports, ...ports },
    keys: { ...first.keys, ...campusKeys(layout.keys, campus) },
  };
}

export function campusFolder(dir: string, campus: string): string {
  return join(dir, 'campuses', campus);
}

export function makeEdgeFolder({ layout }: World): void {
  mkdirSync(dirname(layout.edgeState), { recursive: true });
  if (!existsSync(layout.edgeState)) mkdirSync(layout.edgeState, { mode: 0o700 });
}

/** What a process of another campus than the first is called. */
export type KeptName = ProcessName | `${ProcessName}-${string}`;

/** Processes of the first campus and of the cloud have their plain names. */
export function keptName(name: ProcessName, campus: string, first: string): KeptName {
  const isOfCampus = name === 'appliance' || name.startsWith('campus-');
  return isOfCampus && campus !== first ? `${name}-${campus}` : name;
}
