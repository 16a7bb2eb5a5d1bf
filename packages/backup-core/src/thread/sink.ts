/** Where opened bytes go: a file, or the input of a program. */
import { createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Owner } from '../restore/postgres/owner.ts';
import { type Ended, runProgram } from '../restore/postgres/run-program.ts';

export type Sink =
  | { readonly to: 'file'; readonly path: string }
  | {
      readonly to: 'program';
      readonly path: string;
      readonly args: readonly string[];
      readonly owner: Owner;
    };

/** How the program ended; null for a file. */
export type Poured = Ended | null;

/** @throws the error of `plain`, as it is. */
export async function pour(plain: Readable, sink: Sink, signal: AbortSignal): Promise<Poured> {
  if (sink.to === 'program') {
    const { path, args, owner } = sink;
    return await runProgram(path, args, { owner, input: plain, signal });
  }
  await pipeline(plain, createWriteStream(sink.path, { mode: 0o600 }), { signal });
  return null;
}
