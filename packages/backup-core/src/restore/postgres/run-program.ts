import { type SpawnOptions, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { freeUsed } from '../../seal/free.ts';
import type { Owner } from './owner.ts';

const KEPT_CHARS = 8_000;

export interface Ended {
  readonly code: number | null;
  /** The end of what it printed, both streams. */
  readonly words: string;
}

export interface ProgramOptions {
  owner: Owner;
  input?: AsyncIterable<Buffer>;
  /** The chunks of the input are nobody else's: their memory is given back when the program has them. */
  isOwned?: boolean;
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/**
 * Runs a program to its end, fed by `input`. When the input fails, the program is ended and the input's error thrown; when
 * the program ends before it has read everything, its own words count.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<Ended> {
  const { owner, input, env, signal, isOwned = false } = options;
  const spawned: SpawnOptions = {
    ...owner,
    cwd: '/',
    stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', ...env },
    ...(signal ? { signal } : {}),
  };
  const child = spawn(file, args, spawned);
  let words = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-KEPT_CHARS);
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (!input || !child.stdin) return { code: await ended, words };
  let inputError: unknown;
  const fed = feed(input, child.stdin, isOwned).catch((error) => {
    inputError = error;
    child.kill('SIGKILL');
  });
  const [code] = await Promise.all([ended, fed]);
  if (inputError !== undefined) throw inputError;
  return { code, words };
}

/** @throws what the input fails with. A program that reads no more ends it without an error. */
async function feed(input: AsyncIterable<Buffer>, stdin: Writable, isOwned: boolean): Promise<void> {
  stdin.on('error', () => undefined);
  for await (const chunk of input) {
    const isTaken = await new Promise<boolean>((resolve) => {
      stdin.write(chunk, (error) => resolve(!error));
    });
    if (isOwned) freeUsed(chunk);
    if (!isTaken) return;
  }
  stdin.end();
}
