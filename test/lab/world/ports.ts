import { LabError } from '../errors.ts';
import { freePort } from '../ports/free-port.ts';

const names = [
  'gateway',
  'admin',
  'cloudSkooly',
  'relay',
  'campusSkooly',
  'cableSkooly',
  'cableRelay',
  'cloudPostgres',
  'campusPostgres',
  'regionParis',
  'regionDouala',
  'cableParis',
  'cableDouala',
] as const;

export type Ports = Readonly<Record<(typeof names)[number], number>>;

const campusPortNames = [
  'gateway',
  'admin',
  'campusSkooly',
  'cableSkooly',
  'cableRelay',
  'campusPostgres',
  'cableParis',
  'cableDouala',
] as const satisfies readonly (keyof Ports)[];

/** What each campus has of its own. */
export type CampusPorts = Pick<Ports, (typeof campusPortNames)[number]>;

const HIGHEST_BASE = 65_535 - names.length;

/** Consecutive ports from the base when one is given, else the remembered ones, else free ones. */
export async function choosePorts(remembered: Ports | null, base?: number): Promise<Ports> {
  if (base !== undefined) return consecutive(base);
  const known: Partial<Record<string, number>> = { ...remembered };
  const taken = new Set(Object.values(known));
  const chosen: number[] = [];
  // A lab of an earlier version remembers fewer.
  for (const name of names) {
    let port = known[name];
    while (port === undefined) {
      const free = await freePort();
      if (!taken.has(free)) port = free;
    }
    taken.add(port);
    chosen.push(port);
  }
  return named(chosen);
}

/** Of the campuses beside the first: behind its ports when a base is given, else the remembered ones, else free ones. */
export async function chooseCampusPorts(
  campuses: readonly string[],
  taken: Ports,
  remembered: Readonly<Record<string, CampusPorts>>,
  base?: number,
): Promise<Readonly<Record<string, CampusPorts>>> {
  const used = new Set<number>([
    ...Object.values(taken),
    ...Object.values(remembered).flatMap(Object.values),
  ]);
  const chosen: Record<string, CampusPorts> = {};
  let next = (base ?? 0) + names.length;
  for (const campus of campuses) {
    const before: Partial<Record<string, number>> = remembered[campus] ?? {};
    const ports: [string, number][] = [];
    for (const name of campusPortNames) {
      const known = base === undefined ? before[name] : undefined;
      let port = known ?? (base === undefined ? await freePort() : next++);
      while (base === undefined && known === undefined && used.has(port)) port = await freePort();
      used.add(port);
      ports.push([name, port]);
    }
    chosen[campus] = Object.fromEntries(ports) as CampusPorts;
  }
  return chosen;
}

function consecutive(base: number): Ports {
  if (Number.isInteger(base) && base >= 1_024 && base <= HIGHEST_BASE)
    return named(names.map((_, index) => base + index));
  throw new LabError(
    'OPTION_INVALID',
    `--port-base is ${base}, which leaves no room for ${names.length} ports.`,
    `Give a number from 1024 to ${HIGHEST_BASE}.`,
  );
}

function named(ports: readonly number[]): Ports {
  return Object.fromEntries(names.map((name, index) => [name, ports[index]])) as Ports;
}
