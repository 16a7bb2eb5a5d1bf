/**
 * The plain bytes of a source, said in words that another thread understands, and opened there: nothing passes through the thread
 * that asked.
 */

import { read } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { BufferPool } from '../seal/buffer-pool.ts';
import { free } from '../seal/free.ts';
import { SourceError } from './errors.ts';
import { type Program, programOutput } from './program-output.ts';
import { type TarredFile, TarWalk } from './tar-walk.ts';

/** A manifest has some 200 bytes for each file. */
const maxManifestBytes = 256 * 1024 * 1024;
const passedBytes = 256 * 1024;
const readBytes = 512 * 1024;
const readBuffers = new BufferPool(readBytes, 8);
const readAt = promisify(read);

export type PlainBytes =
  /** `fd`: of this file, open already, and closed by whoever opened it. */
  | { readonly from: 'file'; readonly path: string; readonly fd?: number }
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
  /** For who needs a chunk no more, and holds no part of it. */
  release(chunk: Buffer): void;
}

export function openPlain(plain: PlainBytes, signal: AbortSignal): OpenedPlain {
  if (plain.from === 'file') {
    // One by one: what is put together is no chunk of the pool.
    const stream = Readable.from(chunksOf(plain), { objectMode: true, highWaterMark: 1 });
    return { stream, passed: () => null, release: (chunk) => readBuffers.giveBack(chunk) };
  }
  const output = programOutput({ ...plain.program, signal });
  return plain.isBase ? walked(output) : { stream: output, passed: () => null, release: free };
}

async function* chunksOf({ path, fd }: { path: string; fd?: number }): AsyncGenerator<Buffer> {
  const own: FileHandle | null = fd === undefined ? await open(path, 'r') : null;
  try {
    for (let at = 0; ; ) {
      const buffer = readBuffers.take();
      const { bytesRead } = await readAt(own?.fd ?? (fd as number), buffer, 0, readBytes, at);
      if (bytesRead === 0) return readBuffers.giveBack(buffer);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await own?.close();
  }
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
  const stream = Readable.from(followed(), { objectMode: false, highWaterMark: passedBytes });
  return { stream, passed: () => walk.kept && { manifest: walk.kept, files: walk.files }, release: free };
}
