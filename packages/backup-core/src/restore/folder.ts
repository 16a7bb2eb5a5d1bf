import { execFile } from 'node:child_process';
import { mkdir, readdir, rm, statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { RestoreError } from './errors.ts';
import { giveTo, type Owner } from './postgres/owner.ts';

const SPARE = 1.1;

export interface Folders {
  readonly data: string;
  /** Beside it: log, WAL on its way. */
  readonly work: string;
  /** Takes both away again, after a restore that was given up. */
  discard(): Promise<void>;
}

/** The folder to restore into: not there, or empty; with room; and one that the server's user can enter. */
export async function makeFolders(to: string, bytes: number, owner: Owner): Promise<Folders> {
  const data = resolve(to);
  const work = `${data}.restore`;
  for (const folder of [data, work]) {
    const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new RestoreError('RESTORE_FOLDER_UNUSABLE', `${folder} is no folder that can be used.`, {
        cause: error,
      });
    });
    if (there.length > 0) throw new RestoreError('RESTORE_FOLDER_NOT_EMPTY', `${folder} is not empty.`);
  }
  for (const folder of [data, work]) {
    await mkdir(folder, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
      throw new RestoreError('RESTORE_FOLDER_UNUSABLE', `${folder} cannot be made.`, { cause });
    });
    await giveTo(folder, owner);
  }
  const discard = async () => {
    for (const folder of [data, work]) await rm(folder, { recursive: true, force: true });
  };
  try {
    await promisify(execFile)('/bin/sh', ['-c', 'cd "$0"', data], { ...owner, cwd: '/' });
  } catch (cause) {
    await discard();
    throw new RestoreError(
      'RESTORE_FOLDER_UNUSABLE',
      `The user of the Postgres server cannot enter ${data}.`,
      {
        cause,
      },
    );
  }
  const { bavail, bsize } = await statfs(data);
  if (bavail * bsize < bytes * SPARE) {
    await discard();
    const gib = (n: number) => (n / 1024 ** 3).toFixed(1);
    throw new RestoreError(
      'RESTORE_FOLDER_UNUSABLE',
      `${data} has room for ${gib(bavail * bsize)} GiB, the restore needs ${gib(bytes * SPARE)} GiB.`,
    );
  }
  return { data, work, discard };
}
