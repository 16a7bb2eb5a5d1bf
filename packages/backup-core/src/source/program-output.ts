/**
 * Runs a program and gives what it writes, as a stream that ends well only when the program did: an exit code other than 0,
 * a signal or a silence that lasts too long makes the stream fail, with what the program said last.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { free } from '../seal/free.ts';
import { SourceError } from './errors.ts';

const maxSaidChars = 4096;
/** A program may write a few kilobytes at a time: what follows is spared the work for each. */
const chunkBytes = 256 * 1024;

export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How long it may stay silent while somebody waits for its output. */
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

export function programOutput(program: Program): Readable {
  return Readable.from(outputOf(program), { objectMode: false, highWaterMark: chunkBytes });
}

async function* outputOf(program: Program): AsyncGenerator<Buffer> {
  const child: Child = spawn(program.path, program.args, {
    env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8', ...program.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: program.signal,
    killSignal: 'SIGTERM',
  });
  const ended = endOf(child);
  const said = lastWordsOf(child);
  let stalled = false;
  const silence = new Silence(program.stallMs, () => {
    stalled = true;
    child.kill('SIGKILL');
  });
  try {
    let chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      silence.begin();
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes < chunkBytes) continue;
      silence.end();
      yield joined(chunks);
      silence.begin();
      chunks = [];
      bytes = 0;
    }
    if (bytes > 0) yield joined(chunks);
    const end = await ended;
    program.signal.throwIfAborted();
    if (stalled) throw stalledError(program, said());
    if (end !== null) throw failure(program, end, said());
  } finally {
    silence.end();
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  const all = Buffer.concat(chunks);
  for (const chunk of chunks) free(chunk);
  return all;
}

/** Counts only while somebody waits for the program, not while what it gave is worked on. */
class Silence {
  readonly #ms: number;
  readonly #then: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number, then: () => void) {
    this.#ms = ms;
    this.#then = then;
    this.begin();
  }

  begin(): void {
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(this.#then, this.#ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Null when the program ended well. */
async function endOf(child: Child): Promise<string | null> {
  try {
    const [code, signal] = await once(child, 'close');
    if (code === 0) return null;
    return signal ? `was ended by ${signal}` : `ended with code ${code}`;
  } catch (cause) {
    return `could not be run (${(cause as Error).message})`;
  }
}

function lastWordsOf(child: Child): () => string {
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-maxSaidChars);
  });
  return () => said.trim();
}

function failure({ path }: Program, end: string, said: string): SourceError {
  return new SourceError('SOURCE_FAILED', `${path} ${end}${said ? `: ${said}` : ''}`);
}

function stalledError({ path, stallMs }: Program, said: string): SourceError {
  return new SourceError(
    'SOURCE_STALLED',
    `${path} gave nothing for ${Math.round(stallMs / 1000)} s${said ? `: ${said}` : ''}`,
  );
}
