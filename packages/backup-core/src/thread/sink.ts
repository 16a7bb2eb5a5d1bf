/** Where opened bytes go: a file, or the input of a program. */
import { open } from 'node:fs/promises';
import { addAbortSignal, Readable } from 'node:stream';
import type { Owner } from '../restore/postgres/owner.ts';
import { type Ended, runProgram } from '../restore/postgres/run-program.ts';
import { freeUsed } from '../seal/free.ts';

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

/** Takes the chunks over as well. @throws the error of `plain`, as it is. */
export async function pour(plain: AsyncIterable<Buffer>, sink: Sink, signal: AbortSignal): Promise<Poured> {
  if (sink.to === 'program') {
    const { path, args, owner } = sink;
    return await runProgram(path, args, { owner, input: plain, isOwned: true, signal });
  }
  if (plain instanceof Readable) addAbortSignal(signal, plain);
  await using file = await open(sink.path, 'w', 0o600);
  for await (const chunk of plain) {
    await file.appendFile(chunk);
    freeUsed(chunk);
  }
  return null;
}
