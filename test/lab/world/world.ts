/**
 * What the lab consists of: two sites with three processes each, every one with the environment that it would have in a real
 * installation. This file says what there is; `cloud.ts` and `campus.ts` say how each site is made ready and started.
 */
import { Agent, fetch } from 'undici';
import type { Settings } from '../postgres/settings.ts';
import type { KeyFiles } from './keys.ts';
import type { Layout } from './layout.ts';
import type { OtherDatabase } from './other-database.ts';
import type { Ports } from './ports.ts';

export const processNames = [
  'cloud-postgres',
  'campus-postgres',
  'region-paris',
  'region-douala',
  'cloud-skooly',
  'relay',
  'campus-skooly',
  'appliance',
] as const;

export type ProcessName = (typeof processNames)[number];

/** The role that Skooly uses, and that owns its database. */
export const APP_ROLE = 'skooly';

export interface World {
  readonly layout: Layout;
  readonly ports: Ports;
  readonly keys: KeyFiles;
  readonly campus: string;
  /** All campuses of the lab, the first one first. */
  readonly campuses: readonly string[];
  /** Name of the database on both sides. */
  readonly database: string;
  readonly syncMapFile: string;
  /** Null when the database is Skooly's. */
  readonly other: OtherDatabase | null;
  readonly seed: 'small' | 'school';
  readonly seedNumber: number | null;
  readonly postgresSettings: Settings;
  /** Over the lab's own environment of a process. */
  readonly env: Readonly<Partial<Record<ProcessName, Readonly<Record<string, string>>>>>;
}

/** Runs one command of a program to its end, with its output in the log of that name. */
export type RunStep = (
  name: string,
  script: string,
  args: readonly string[],
  env?: Readonly<Record<string, string>>,
) => Promise<string>;

export function httpUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}

export function httpsUrl(port: number): string {
  return `https://127.0.0.1:${port}`;
}

/** @param ca PEM of the authority of an https URL. */
export async function isHealthy(url: string, ca?: string): Promise<boolean> {
  const agent = new Agent({ connect: { ...(ca && { ca }) } });
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000), dispatcher: agent });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  } finally {
    await agent.destroy();
  }
}
