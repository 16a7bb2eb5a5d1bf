import { execFileSync } from 'node:child_process';
import { chown } from 'node:fs/promises';
import { RestoreError } from '../errors.ts';

const SERVER_USER = 'postgres';

/** The user that the server and its programs run as; empty when that is the user of this process. */
export interface Owner {
  readonly uid?: number;
  readonly gid?: number;
}

/** Postgres refuses to run as root: then Debian's `postgres` user runs it. */
export function serverOwner(): Owner {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) =>
    Number(execFileSync('id', [flag, SERVER_USER], { encoding: 'utf8', stdio: 'pipe' }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch (cause) {
    throw new RestoreError(
      'RESTORE_POSTGRES_MISSING',
      `Postgres does not run as root, and this machine has no user ${SERVER_USER} to run it as.`,
      { cause },
    );
  }
}

export async function giveTo(path: string, { uid, gid }: Owner): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
