/**
 * Seals a stream into a file: counted and hashed, compressed (zstd, with checksum), encrypted for every recipient
 * (OpenPGP), counted and hashed again. It resolves when the file and its name are fsynced, and leaves no file behind
 * when it fails. Memory is constant. It authenticates nothing: anybody can encrypt to a public key, so what is sealed
 * counts only once a signed manifest entry names its hash.
 */
import { createWriteStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Recipient } from '../keys/recipient.ts';
import { compression } from './compress.ts';
import { encryption } from './encrypt.ts';
import { SealError } from './errors.ts';
import { Tally } from './tally.ts';

export interface SealOptions {
  /** Every one of them can open the object alone. */
  recipients: readonly Recipient[];
  /** Must not exist yet. */
  into: string;
  signal?: AbortSignal;
}

export interface Sealed {
  /** Of the ciphertext, as `sha256` is. */
  bytes: number;
  sha256: string;
  plain: { bytes: number; sha256: string };
}

/** Takes over `plain`: destroys it when sealing fails. An error of `plain` is thrown as it is. */
export async function seal(plain: Readable, { recipients, into, signal }: SealOptions): Promise<Sealed> {
  if (recipients.length === 0) {
    plain.destroy();
    throw new SealError('SEAL_NO_RECIPIENTS', 'There is no key to seal for.');
  }
  // An error of `plain` that comes before it is read is kept by the stream.
  plain.once('error', () => {});
  const before = new Tally();
  const after = new Tally();
  const file = await newFile(into).catch((error) => {
    plain.destroy();
    throw error;
  });
  const sink = createWriteStream(into, { fd: file, flush: true, highWaterMark: 2 ** 21 });
  try {
    const encrypted = await encryption(recipients);
    if (plain.errored) throw plain.errored;
    await pipeline(plain, before, compression(), encrypted, after, sink, { signal });
  } catch (error) {
    plain.destroy();
    sink.destroy();
    await rm(into, { force: true });
    throw error;
  }
  await syncFolder(dirname(into));
  return { ...after.digest(), plain: before.digest() };
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
