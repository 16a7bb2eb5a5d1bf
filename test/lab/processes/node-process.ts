import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from '../errors.ts';
import type { Launched } from './kept-process.ts';

const READY_POLL_MS = 40;
const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 15_000;
/** A log beyond this is begun anew when its process starts. */
const MAX_LOG_BYTES = 64 * 1024 * 1024;

export interface NodeCommand {
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** Starts a server and waits until `isReady`; refuses with what it said last when it ends before. */
export async function launchServer(
  command: NodeCommand,
  isReady: () => Promise<boolean>,
  onSpawn: (pid: number) => void,
): Promise<Launched> {
  const { child, saidSince } = start(command, onSpawn);
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!hasEnded(child) && Date.now() < deadline && !(await isReady())) await sleep(READY_POLL_MS);
  if (hasEnded(child) || child.pid === undefined)
    throw failure(command, 'ended while it started', saidSince());
  if (Date.now() >= deadline) {
    child.kill('SIGKILL');
    throw failure(command, `did not answer within ${READY_TIMEOUT_MS / 1000} s`, saidSince());
  }
  return { pid: child.pid, exited: ended(child), stop: () => stop(child) };
}

/** Runs a command to its end; refuses with what it said last when it fails. */
export async function runToEnd(
  command: NodeCommand,
  onSpawn: (pid: number) => void,
  signal: AbortSignal,
): Promise<string> {
  signal.throwIfAborted();
  const { child, saidSince } = start(command, onSpawn);
  const abort = () => child.kill('SIGKILL');
  signal.addEventListener('abort', abort);
  const how = await ended(child);
  signal.removeEventListener('abort', abort);
  signal.throwIfAborted();
  if (child.exitCode !== 0) throw failure(command, how, saidSince());
  return saidSince();
}

function start(command: NodeCommand, onSpawn: (pid: number) => void) {
  if (sizeOf(command.logFile) > MAX_LOG_BYTES) truncateSync(command.logFile);
  const logStart = sizeOf(command.logFile);
  const log = openSync(command.logFile, 'a', 0o600);
  const child = spawn(process.execPath, [command.script, ...command.args], {
    stdio: ['ignore', log, log],
    detached: true,
    env: { ...process.env, ...command.env },
  });
  closeSync(log);
  child.on('error', () => undefined);
  if (child.pid !== undefined) onSpawn(child.pid);
  const saidSince = () => readFileSync(command.logFile).subarray(logStart).toString('utf8');
  return { child, saidSince };
}

async function stop(child: ChildProcess): Promise<void> {
  if (!hasEnded(child)) child.kill('SIGTERM');
  const impatient = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
  await ended(child);
  clearTimeout(impatient);
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((done) => {
    const say = () =>
      done(child.signalCode ? `ended by ${child.signalCode}` : `ended with code ${child.exitCode}`);
    if (hasEnded(child) || child.pid === undefined) say();
    else child.once('exit', say);
  });
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function failure(command: NodeCommand, how: string, said: string): LabError {
  const words = lastWords(said);
  return new LabError(
    'PROCESS_FAILED',
    `${command.name} ${how}${words === '' ? '.' : `: ${words}`}`,
    `See ${command.logFile}.`,
  );
}

/** The error that ended it, else the last line; of a JSON log line, its message. */
function lastWords(said: string): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !/^\s+at |^Node\.js v/.test(line));
  const last = lines.findLast((line) => /^\w*[Ee]rror\b.*:/.test(line)) ?? lines.at(-1) ?? '';
  try {
    const entry = JSON.parse(last) as { msg?: string; err?: { message?: string } };
    return entry.err?.message ?? entry.msg ?? last;
  } catch {
    return last.trim();
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
