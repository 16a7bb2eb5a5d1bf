/**
 * A Postgres server of our own: found on the machine, its cluster made when the folder is empty, started, ended.
 *
 * In order: find the binaries, decide who runs them (never root) and where the data lives, make the cluster, write
 * the settings, start the server, wait until it says that it is ready. It listens on 127.0.0.1 only. A cluster that
 * was killed recovers in its next start, as Postgres does.
 *
 * It does not restart a server that ends: whoever started it watches `exited`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDiskFull, LabError } from '../errors.ts';
import { freePort, isFree } from '../ports/free-port.ts';
import { findPostgres } from './binaries.ts';
import { makeCluster, superuserPassword, writeSettings } from './cluster.ts';
import { dataFolder, type Owner, serverOwner } from './owner.ts';
import type { Settings } from './settings.ts';
import { startFailure } from './start-failure.ts';

const READY_POLL_MS = 25;
const START_TIMEOUT_MS = 120_000;
/** How long the shared memory of a killed server may still be held by its children. */
const LEFTOVER_WAIT_MS = 20_000;
const FAST_STOP_MS = 30_000;

export interface PostgresOptions {
  /** State folder: password, log, and normally the data. Made when missing. */
  readonly dir: string;
  /** A free one when not given. */
  readonly port?: number;
  /** Settings of postgresql.conf, over the lab's own. */
  readonly settings?: Settings;
  /** Over the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told the server's pid before it is ready, again when it has to be started again. */
  readonly onSpawn?: (pid: number) => void;
  /** For a cluster that is made now; otherwise a random one, kept in `dir`. */
  readonly password?: string;
}

export interface PostgresInstance {
  readonly pid: number;
  readonly port: number;
  readonly password: string;
  /** Superuser, database `postgres`. */
  readonly url: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** Said once to a person, when the data is not where they would look for it. */
  readonly note: string | null;
  /** Resolves when the server has ended, however it ended. */
  readonly exited: Promise<undefined>;
  urlOf(database: string): string;
  /** Fast shutdown: rolls back what is open, writes a checkpoint. May be called twice. */
  stop(): Promise<void>;
  /** `kill -9` of the server, as a crash. */
  kill(): Promise<void>;
}

export async function startPostgres(options: PostgresOptions): Promise<PostgresInstance> {
  const dir = resolve(options.dir);
  const binaries = findPostgres();
  const owner = serverOwner();
  try {
    mkdirSync(dir, { recursive: true });
    const { path: dataDir, note } = dataFolder(dir, owner);
    const logFile = join(dir, 'postgres.log');
    const password = superuserPassword(dir, options.password);
    makeCluster(binaries, dataDir, password, owner);
    const port = options.port ?? (await freePort());
    await refuseTakenPort(port);
    writeSettings(dataDir, port, options.settings ?? {}, owner);
    const server = { dataDir, logFile, port, owner, env: options.env ?? {} };
    const child = await startServer(binaries.postgres, server, options.onSpawn);
    return instance(child, { port, password, dataDir, logFile, note });
  } catch (cause) {
    if (!isDiskFull(cause)) throw cause;
    throw new LabError(
      'DISK_FULL',
      `The disk of ${dir} is full.`,
      'Free some disk space, then start again.',
      { cause },
    );
  }
}

async function refuseTakenPort(port: number): Promise<void> {
  if (await isFree(port)) return;
  throw new LabError(
    'PORT_TAKEN',
    `Port ${port} of 127.0.0.1 is taken.`,
    'Choose another port, or end what listens there.',
  );
}

interface Server {
  readonly dataDir: string;
  readonly logFile: string;
  readonly port: number;
  readonly owner: Owner;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts the server, again while the remains of a killed one still hold its memory. */
async function startServer(
  postgres: string,
  server: Server,
  onSpawn: PostgresOptions['onSpawn'],
): Promise<ChildProcess> {
  const deadline = Date.now() + LEFTOVER_WAIT_MS;
  while (true) {
    const logStart = sizeOf(server.logFile);
    const log = openSync(server.logFile, 'a', 0o600);
    const child = spawn(postgres, ['-D', server.dataDir], {
      ...server.owner,
      cwd: '/',
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...server.env },
    });
    closeSync(log);
    if (child.pid !== undefined) onSpawn?.(child.pid);
    if (await isReady(child, server.dataDir)) return child;
    const failure = startFailure(readFileSync(server.logFile, 'utf8').slice(logStart), server);
    if (!failure.passes || Date.now() > deadline) throw failure.error;
    await sleep(200);
  }
}

async function isReady(child: ChildProcess, dataDir: string): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let failed = false;
  child.once('error', () => {
    failed = true;
  });
  while (Date.now() < deadline) {
    if (failed || hasEnded(child)) return false;
    if (saysReady(dataDir, child.pid)) return true;
    await sleep(READY_POLL_MS);
  }
  child.kill('SIGQUIT');
  return false;
}

/** Line 1 of postmaster.pid is the server's pid, line 8 its state. */
function saysReady(dataDir: string, pid: number | undefined): boolean {
  try {
    const lines = readFileSync(join(dataDir, 'postmaster.pid'), 'utf8').split('\n');
    return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
  } catch {
    return false;
  }
}

function instance(
  child: ChildProcess,
  facts: Pick<PostgresInstance, 'port' | 'password' | 'dataDir' | 'logFile' | 'note'>,
): PostgresInstance {
  const exited = new Promise<undefined>((done) => {
    if (hasEnded(child)) done(undefined);
    else child.once('exit', () => done(undefined));
  });
  const urlOf = (database: string) =>
    `postgres://postgres:${facts.password}@127.0.0.1:${facts.port}/${database}`;
  return {
    ...facts,
    pid: child.pid as number,
    exited,
    urlOf,
    url: urlOf('postgres'),
    async stop() {
      if (!hasEnded(child)) child.kill('SIGINT');
      const impatient = setTimeout(() => child.kill('SIGQUIT'), FAST_STOP_MS);
      await exited;
      clearTimeout(impatient);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}
