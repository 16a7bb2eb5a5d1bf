import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { LabError } from '../errors.ts';
import { identify, isRunning, type ProcessIdentity } from './identity.ts';

/** This process has the folder until the answer is called. A holder that has died holds nothing. */
export function lockFolder(file: string): () => void {
  mkdirSync(dirname(file), { recursive: true });
  const holder = lockHolder(file);
  if (holder !== null) throw alreadyUp(file, holder.pid);
  rmSync(file, { force: true });
  try {
    writeFileSync(file, JSON.stringify(identify(process.pid)), { flag: 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw alreadyUp(file, lockHolder(file)?.pid);
  }
  return () => rmSync(file, { force: true });
}

/** The process that has the folder now. */
export function lockHolder(file: string): ProcessIdentity | null {
  try {
    const holder = JSON.parse(readFileSync(file, 'utf8')) as ProcessIdentity;
    return isRunning(holder) ? holder : null;
  } catch {
    return null;
  }
}

function alreadyUp(file: string, pid: number | undefined): LabError {
  return new LabError(
    'LAB_RUNNING',
    `A lab is up in ${dirname(file)} already${pid === undefined ? '' : ` (process ${pid})`}.`,
    'End it (npm run lab -- down), or use another folder (--dir).',
  );
}
