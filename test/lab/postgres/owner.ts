import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError } from '../errors.ts';

const SERVER_USER = 'postgres';
const ELSEWHERE = '/var/tmp';

/** The user that the server runs as; empty when that is the user of this process. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

export interface DataFolder {
  readonly path: string;
  /** A sentence for a person when the data does not live in the state folder. */
  readonly note: string | null;
}

/** Postgres refuses to run as root: then Debian's `postgres` user runs it. */
export function serverOwner(): Owner {
  if (process.getuid?.() !== 0) return {};
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, SERVER_USER], { encoding: 'utf8', stdio: 'pipe' }));
    return { uid: id('-u'), gid: id('-g') };
  } catch (cause) {
    throw new LabError(
      'POSTGRES_USER_MISSING',
      `Postgres does not run as root, and this machine has no user ${SERVER_USER} to run it as.`,
      `Create it: useradd --system ${SERVER_USER}`,
      { cause },
    );
  }
}

/** `data` in the state folder, or a folder in /var/tmp where the owner cannot walk to the state folder. */
export function dataFolder(stateDir: string, owner: Owner): DataFolder {
  if (canEnter(stateDir, owner)) return { path: join(stateDir, 'data'), note: null };
  const home = movedData(stateDir);
  makeOwnFolder(home, owner);
  const note = `The user ${SERVER_USER} cannot enter ${stateDir}, so the database files are in ${home}.`;
  writeFileSync(join(stateDir, 'DATA_IS_ELSEWHERE.txt'), `${note}\n`);
  return { path: join(home, 'data'), note };
}

/** Where the data of this state folder is when it cannot be inside. */
export function movedData(stateDir: string): string {
  const hash = createHash('sha256').update(stateDir).digest('hex').slice(0, 12);
  return join(ELSEWHERE, `skooly-edge-${hash}`);
}

/** Anybody may put something of this name into /var/tmp: only a folder of the server's user is used. */
function makeOwnFolder(home: string, owner: Owner): void {
  const there = lstatSync(home, { throwIfNoEntry: false });
  if (there === undefined) {
    mkdirSync(home, { mode: 0o700 });
    giveTo(home, owner);
  } else if (!there.isDirectory() || there.uid !== owner.uid) {
    const message = `${home} is not a folder of the user ${SERVER_USER}, so no database is put there.`;
    throw new LabError('POSTGRES_START_FAILED', message, `Remove ${home}, then start again.`);
  }
}

export function giveTo(path: string, owner: Owner): void {
  if (owner.uid !== undefined && owner.gid !== undefined) chownSync(path, owner.uid, owner.gid);
}

function canEnter(path: string, owner: Owner): boolean {
  if (owner.uid === undefined) return true;
  return spawnSync('/bin/sh', ['-c', 'cd "$0"', path], { ...owner, cwd: '/', stdio: 'ignore' }).status === 0;
}
