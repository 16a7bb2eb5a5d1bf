/**
 * How the commands of this machine and its daemon speak: by files in the state folder, each written whole. The daemon leaves its
 * status there; a command leaves a request, and finds an answer beside it.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupStatus } from '../engine/status.ts';
import { watchFolder } from '../spool/watch-folder.ts';
import type { BackupConfig } from './config/config.ts';
import { ConfigError } from './config/errors.ts';

export const STATUS_EVERY_MS = 5_000;
const SILENT_MS = 60_000;
/** How soon a command sees its answer. */
const POLL_MS = 50;
/** A request that no notice came for is found after this. */
const LOOK_MS = 2_000;

export type Request = 'dump' | 'base' | 'checkpoint';
const requests: readonly Request[] = ['dump', 'base', 'checkpoint'];

interface Answer {
  readonly error: string | null;
}

export async function writeDaemonStatus(stateDir: string, status: BackupStatus): Promise<void> {
  await writeWhole(join(stateDir, 'status.json'), JSON.stringify(status));
}

/** Null: no daemon runs here, or it has been silent for a minute. */
export async function daemonStatus({ stateDir }: BackupConfig, now: Date): Promise<BackupStatus | null> {
  if (stateDir === undefined) return null;
  const text = await readFile(join(stateDir, 'status.json'), 'utf8').catch(() => null);
  if (text === null) return null;
  const status = JSON.parse(text) as BackupStatus;
  return Math.abs(now.getTime() - Date.parse(status.at)) > SILENT_MS ? null : status;
}

/** Asks the daemon, and waits until it is done. */
export async function askDaemon(stateDir: string, request: Request, signal: AbortSignal): Promise<void> {
  const folder = join(stateDir, 'requests');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const answer = join(folder, `${request}.done`);
  await rm(answer, { force: true });
  await writeWhole(join(folder, request), '');
  for (;;) {
    const text = await readFile(answer, 'utf8').catch(() => null);
    if (text !== null) {
      const { error } = JSON.parse(text) as Answer;
      if (error !== null) throw new Error(error);
      return;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

/** Carries out what was asked for, until the signal aborts. What was begun before a crash is asked for again. */
export async function answerRequests(
  stateDir: string,
  carryOut: (request: Request) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const folder = join(stateDir, 'requests');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let notice: () => void = () => undefined;
  await watchFolder(folder, () => notice(), signal);
  while (!signal.aborted) {
    const noticed = new Promise<void>((resolve) => {
      notice = resolve;
    });
    for (const name of await readdir(folder)) {
      const request = requests.find((one) => one === name);
      if (!request) continue;
      const error = await carryOut(request).then(
        () => null,
        (cause: Error) => cause.message,
      );
      if (signal.aborted) return;
      await writeWhole(join(folder, `${request}.done`), JSON.stringify({ error } satisfies Answer));
      await rm(join(folder, request), { force: true });
    }
    const rest = new AbortController();
    const until = AbortSignal.any([signal, rest.signal]);
    await Promise.race([noticed, sleep(LOOK_MS, undefined, { signal: until }).catch(() => undefined)]);
    rest.abort();
  }
}

export async function requireDaemon(config: BackupConfig, now: Date): Promise<string> {
  if ((await daemonStatus(config, now)) !== null) return config.stateDir as string;
  throw new ConfigError('stateDir', 'has no running daemon', 'start it with `skooly-backup run`');
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
