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
] as const;

export type Ports = Readonly<Record<(typeof names)[number], number>>;

const HIGHEST_BASE = 65_535 - names.length;

/** Consecutive ports from the base when one is given, else the remembered ones, else free ones. */
export async function choosePorts(remembered: Ports | null, base?: number): Promise<Ports> {
  if (base !== undefined) return consecutive(base);
  if (remembered !== null) return remembered;
  const chosen = new Set<number>();
  while (chosen.size < names.length) chosen.add(await freePort());
  return named([...chosen]);
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
