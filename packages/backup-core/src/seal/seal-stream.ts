/**
 * Seals a stream into a file: counted and hashed, compressed (zstd, with checksum), encrypted for every recipient
 * (OpenPGP), counted and hashed again. It resolves when the file and its name are fsynced, and leaves no file behind
 * when it fails. Memory is constant. It authenticates nothing: anybody can encrypt to a public key, so what is sealed
 * counts only once a signed manifest entry names its hash.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { Compression } from './compress.ts';
import { Encryption } from './encrypt.ts';
import { SealError } from './errors.ts';
import { FileSink } from './file-sink.ts';
import type { Session } from './session.ts';

/** One on the thread that compresses, and what it goes on with while this one works or waits for a processor. */
const compressedAtOnce = 4;

export interface SealStreamOptions {
  session: Session;
  /** Must not exist yet. */
  into: string;
  signal?: AbortSignal | undefined;
  /** Told of each chunk of the stream that is not needed any more. */
  release?: ((chunk: Buffer) => void) | undefined;
  /** Told the MD5 of the ciphertext, which regions ask for, for an object that is sent as a whole. */
  onMd5?: ((md5: string) => void) | undefined;
}

export interface Sealed {
  /** Of the ciphertext, as `sha256` is. */
  bytes: number;
  sha256: string;
  plain: { bytes: number; sha256: string };
}

/** Takes over `plain`: destroys it when sealing fails. An error of `plain` is thrown as it is. */
export async function sealStream(
  plain: Readable,
  { session, into, signal, release, onMd5 }: SealStreamOptions,
): Promise<Sealed> {
  // An error of `plain` that comes before it is read is kept by the stream.
  plain.once('error', () => {});
  const file = await newFile(into).catch((error) => {
    plain.destroy();
    throw error;
  });
  try {
    if (plain.errored) throw plain.errored;
    if (signal) addAbortSignal(signal, plain);
    const sealed = await sealInto(file, plain, { session, release, onMd5 });
    await syncFolder(dirname(into));
    return sealed;
  } catch (error) {
    plain.destroy();
    await rm(into, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** While some chunks are compressed, on a thread of its own, the next one is read and hashed, and what came out before is encrypted and written. */
async function sealInto(
  file: FileHandle,
  plain: Readable,
  { session, release, onMd5 }: Pick<SealStreamOptions, 'session' | 'release' | 'onMd5'>,
): Promise<Sealed> {
  const before = { bytes: 0, hash: createHash('sha256') };
  const after = { bytes: 0, hash: createHash('sha256') };
  const md5 = onMd5 ? createHash('md5') : null;
  const sink = new FileSink(file);
  const encryption = new Encryption(session, () => sink.memory());
  const send = (pieces: Iterable<Buffer>) => {
    for (const piece of pieces) {
      after.hash.update(piece);
      md5?.update(piece);
      after.bytes += piece.length;
      sink.add(piece);
    }
  };
  const compression = new Compression();
  const sendPacked = () => {
    for (const packed of compression.packed()) send(encryption.add(packed));
  };
  try {
    send(encryption.begin());
    const packing: Promise<void>[] = [];
    for await (const chunk of plain as AsyncIterable<Buffer | string>) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
      before.hash.update(bytes);
      before.bytes += bytes.length;
      if (packing.length === compressedAtOnce) await packing.shift();
      const packed = compression.add(bytes).then(() => release?.(bytes));
      // Its failure is met where it is awaited.
      packed.catch(() => undefined);
      packing.push(packed);
      sendPacked();
      await sink.hasRoom();
    }
    await Promise.all(packing);
    await compression.end();
    sendPacked();
    send(encryption.end());
    await sink.end();
  } finally {
    compression.close();
    await sink.idle();
  }
  if (md5) onMd5?.(md5.digest('hex'));
  return { ...tally(after), plain: tally(before) };
}

function tally({ bytes, hash }: { bytes: number; hash: Hash }): { bytes: number; sha256: string } {
  return { bytes, sha256: hash.digest('hex') };
}

async function newFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new SealError('SEAL_TARGET_EXISTS', `${path} exists already.`, { cause });
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
