/**
 * The plain bytes of a source, said in words that another thread understands, and opened there: nothing passes through the thread
 * that asked.
 */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { SourceError } from './errors.ts';
import { type Program, programOutput } from './program-output.ts';
import { type TarredFile, TarWalk } from './tar-walk.ts';

/** A manifest has some 200 bytes for each file. */
const maxManifestBytes = 256 * 1024 * 1024;
const readBytes = 256 * 1024;

export type PlainBytes =
  | { readonly from: 'file'; readonly path: string }
  /** `isBase`: a base backup, whose files are hashed. */
  | { readonly from: 'program'; readonly program: Omit<Program, 'signal'>; readonly isBase: boolean };

/** A base backup as it passed: to be held against its own manifest before it counts. */
export interface PassedBase {
  readonly manifest: Uint8Array;
  readonly files: ReadonlyMap<string, TarredFile>;
}

export interface OpenedPlain {
  readonly stream: Readable;
  /** After the stream has ended well; null for what is no base. */
  passed(): PassedBase | null;
}

export function openPlain(plain: PlainBytes, signal: AbortSignal): OpenedPlain {
  if (plain.from === 'file') {
    const stream = createReadStream(plain.path, { highWaterMark: readBytes });
    return { stream, passed: () => null };
  }
  const output = programOutput({ ...plain.program, signal });
  return plain.isBase ? walked(output) : { stream: output, passed: () => null };
}

function walked(tar: Readable): OpenedPlain {
  const walk = new TarWalk({ keep: 'backup_manifest', maxKeptBytes: maxManifestBytes });
  async function* followed(): AsyncGenerator<Buffer> {
    for await (const chunk of tar) {
      walk.push(chunk as Buffer);
      yield chunk as Buffer;
    }
    walk.end();
    if (!walk.kept) throw new SourceError('SOURCE_MISMATCH', 'The base backup came without its manifest.');
  }
  const stream = Readable.from(followed(), { objectMode: false, highWaterMark: readBytes });
  return { stream, passed: () => walk.kept && { manifest: walk.kept, files: walk.files } };
}
