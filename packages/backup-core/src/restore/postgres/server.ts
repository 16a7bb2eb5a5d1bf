/**
 * A Postgres server on a folder of files, run by us: started with settings of this run only, watched until it says that it
 * is ready, stopped. It listens on 127.0.0.1 (passwords as in the backup) and on a socket in a folder that only its user
 * enters, where no password is asked, since the restored ones are not known here.
 *
 * Nothing of the restored configuration reaches out: no archiving, no subscriptions, no standby to wait for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { RestoreError } from '../errors.ts';
import { giveTo, type Owner } from './owner.ts';
import type { Programs } from './programs.ts';

const READY_POLL_MS = 25;
const FAST_STOP_MS = 60_000;

export interface ServerOptions {
  readonly programs: Programs;
  readonly owner: Owner;
  readonly dataDir: string;
  readonly logFile: string;
  /** A free one when not given. */
  readonly port?: number | undefined;
  readonly settings: Readonly<Record<string, string>>;
  /** The superuser of the restored cluster. */
  readonly user: string;
  readonly signal: AbortSignal;
  onWait?(): void;
}

export interface Server {
  readonly pid: number;
  readonly port: number;
  readonly socketFolder: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** By the socket, as the superuser. */
  connection(database: string): pg.ClientConfig;
  /** Fast shutdown; may be called twice. */
  stop(): Promise<void>;
  /** The server outlives this process. */
  leave(): void;
}

/** What holds for every server that is started here, over whatever the restored files say. */
const OWN_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  archive_mode: 'off',
  archive_command: '',
  archive_library: '',
  ssl: 'off',
  hot_standby: 'off',
  primary_conninfo: '',
  primary_slot_name: '',
  synchronous_standby_names: '',
  max_logical_replication_workers: '0',
  restore_command: '',
  recovery_end_command: '',
  archive_cleanup_command: '',
  logging_collector: 'off',
  log_destination: 'stderr',
  log_min_messages: 'warning',
  log_line_prefix: '%m [%p] ',
  log_timezone: 'UTC',
  lc_messages: 'C',
};

export type Started = { readonly server: Server } | { readonly failed: string };

/** @returns the server, or what its log says about why it ended. */
export async function startServer(options: ServerOptions): Promise<Started> {
  const { programs, owner, dataDir, logFile, signal } = options;
  const socketFolder = await mkdtemp(join(tmpdir(), 'skooly-restore-'));
  const port = options.port ?? (await freePort());
  const hba = join(socketFolder, 'pg_hba.conf');
  await writeFile(hba, 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n', { mode: 0o600 });
  await giveTo(hba, owner);
  await giveTo(socketFolder, owner);
  const named = {
    port: String(port),
    unix_socket_directories: socketFolder,
    hba_file: hba,
    external_pid_file: join(socketFolder, 'pid'),
    data_directory: dataDir,
  };
  const settings = { ...OWN_SETTINGS, ...options.settings, ...named };
  const args = Object.entries(settings)
    .filter(([name]) => programs.major >= 15 || name !== 'archive_library')
    .flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(join(programs.folder, 'postgres'), ['-D', dataDir, ...args], {
    ...owner,
    cwd: '/',
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
  closeSync(log);
  const clean = () => rm(socketFolder, { recursive: true, force: true });
  try {
    if (await becomesReady(child, dataDir, options))
      return { server: serverOf(child, { port, socketFolder, dataDir, logFile }, options.user, clean) };
  } catch (error) {
    await end(child, 'SIGQUIT');
    await clean();
    throw error;
  }
  await clean();
  signal.throwIfAborted();
  return { failed: await readFile(logFile, 'utf8') };
}

async function becomesReady(child: ChildProcess, dataDir: string, options: ServerOptions): Promise<boolean> {
  let failed = false;
  child.once('error', () => {
    failed = true;
  });
  while (!failed && !hasEnded(child)) {
    options.signal.throwIfAborted();
    if (await saysReady(dataDir, child.pid)) return true;
    options.onWait?.();
    await sleep(READY_POLL_MS);
  }
  return false;
}

/** Line 1 of postmaster.pid is the server's pid, line 8 its state. */
async function saysReady(dataDir: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return Number(lines[0]) === pid && lines[7]?.trim() === 'ready';
}

type Facts = Pick<Server, 'port' | 'socketFolder' | 'dataDir' | 'logFile'>;

function serverOf(child: ChildProcess, facts: Facts, user: string, clean: () => Promise<void>): Server {
  return {
    ...facts,
    pid: child.pid as number,
    connection: (database) => ({ host: facts.socketFolder, port: facts.port, user, database }),
    async stop() {
      await end(child, 'SIGINT');
      await clean();
    },
    leave: () => child.unref(),
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child) || child.pid === undefined) return;
  const exited = new Promise((done) => child.once('exit', done));
  child.kill(signal);
  const impatient = setTimeout(() => child.kill('SIGQUIT'), FAST_STOP_MS);
  await exited;
  clearTimeout(impatient);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve, reject) => probe.once('listening', resolve).once('error', reject));
  const address = probe.address();
  await new Promise((done) => probe.close(done));
  if (address === null || typeof address === 'string')
    throw new RestoreError('RESTORE_POSTGRES_FAILED', 'This machine gives no free port.');
  return address.port;
}

/** The lines of a server's log that say why it ended. */
export function lastWords(log: string): string {
  const lines = log.split('\n').filter((line) => line.trim() !== '');
  const bad = lines.filter((line) =>
    /\b(FATAL|PANIC|ERROR|HINT):|unrecognized configuration|invalid value/.test(line),
  );
  const chosen = (bad.length > 0 ? bad : lines).slice(-3);
  const words = chosen.map((line) => line.replace(/^.*?\b(LOG|FATAL|PANIC|ERROR|HINT):\s*/, '').trim());
  return words.join('; ') || 'it wrote nothing to its log';
}

export async function ask<T extends pg.QueryResultRow>(
  connection: pg.ClientConfig,
  sql: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client(connection);
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}
