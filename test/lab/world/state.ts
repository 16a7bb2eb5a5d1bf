import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { LabError } from '../errors.ts';
import type { ProcessIdentity } from '../processes/identity.ts';
import type { CampusPorts, Ports } from './ports.ts';

/** What outlives the supervisor: enough to find its children, and to start the same lab again. */
export interface LabState {
  readonly version: 1;
  readonly campus: string;
  readonly seed: 'small' | 'school';
  readonly seedNumber: number | null;
  /** Folder of another database than Skooly's. */
  readonly database: string | null;
  readonly ports: Ports;
  /** Of the campuses beside the first, by name; none in a lab of one campus. */
  readonly otherCampuses?: Readonly<Record<string, CampusPorts>>;
  readonly controlSocket: string | null;
  readonly processes: Readonly<Record<string, ProcessIdentity>>;
}

export function readState(file: string): LabState | null {
  if (!existsSync(file)) return null;
  try {
    const state = JSON.parse(readFileSync(file, 'utf8')) as LabState;
    if (state.version === 1) return state;
  } catch (cause) {
    throw unreadable(file, cause);
  }
  throw unreadable(file);
}

/** Whole or not at all: a reader never sees half a file. */
export function writeState(file: string, state: LabState): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}

function unreadable(file: string, cause?: unknown): LabError {
  const message = `${file} is not a state file of this lab.`;
  return new LabError('OPTION_INVALID', message, 'Remove its folder, or use another one (--dir).', { cause });
}
