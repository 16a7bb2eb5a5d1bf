/** Reads a finished file part by part, hashed on the way, and refuses it at its end when it is not what was sealed. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { BufferPool } from '../seal/buffer-pool.ts';
import { isRegionError, RegionError } from './errors.ts';
import { type HeldPart, PartedFile } from './parted-file.ts';
import type { StoredFile } from './region.ts';
import { WHOLE_BYTES } from './settings.ts';

export interface Part {
  /** From 1. */
  readonly number: number;
  /** Valid until `release`. */
  readonly body: Buffer;
  /** Hex. */
  readonly md5: string;
  readonly sha256: string;
  /** Gives the memory back for a later part. */
  release(): void;
}

/** MD5s of bytes that have these SHA-256: the same bytes go to every region, and MD5 is the slowest thing that is done with them. */
const knownMd5s = new Map<string, string>();
const mostKnownMd5s = 256;
/** Of smaller ones each has memory of its own. */
const leastPooledBytes = 1024 * 1024;

export function noteMd5(sha256: string, md5: string): void {
  knownMd5s.delete(sha256);
  knownMd5s.set(sha256, md5);
  const [oldest] = knownMd5s.keys();
  if (knownMd5s.size > mostKnownMd5s && oldest !== undefined) knownMd5s.delete(oldest);
}

function md5Of(bytes: Buffer, sha256: string): string {
  const md5 = knownMd5s.get(sha256) ?? createHash('md5').update(bytes).digest('hex');
  noteMd5(sha256, md5);
  return md5;
}

/** @throws RegionError FILE_CHANGED after the last part, or before the first when the size differs. */
export async function* readParts(file: StoredFile, partBytes: number, region: string): AsyncGenerator<Part> {
  await using parted = PartedFile.join(file.path, partBytes);
  const size = await parted.bytes();
  if (size !== file.bytes) throw changed(region, file, `has ${size} bytes, not ${file.bytes}`);
  const count = Math.max(1, Math.ceil(file.bytes / partBytes));
  const held = new Set<HeldPart>();
  let progress = parted.start;
  try {
    for (let number = 1; number <= count; number++) {
      const length = Math.min(partBytes, file.bytes - (number - 1) * partBytes);
      const part = await parted.part(number, length, progress);
      if (part === null) throw changed(region, file, 'ended while it was read');
      held.add(part);
      const { body, sha256 } = part;
      progress = progress === part.before ? part.after : { hash: progress.hash.copy().update(body) };
      if (number === count) requireSame(file, progress.hash.copy().digest('hex'), region);
      const release = () => {
        if (held.delete(part)) part.letGo(true);
      };
      yield { number, body, sha256, md5: md5Of(body, sha256), release };
    }
  } finally {
    // They may be on their way still.
    for (const part of held) part.letGo(false);
    held.clear();
  }
}

function requireSame(file: StoredFile, sha256: string, region: string): void {
  if (sha256 !== file.sha256) throw changed(region, file, `has the hash ${sha256}, not ${file.sha256}`);
}

type Whole = Pick<Part, 'body' | 'md5' | 'sha256'>;

export interface WholeFile extends Whole {
  /** @param isSent Nobody reads the body any more, so that its memory may be used again. */
  release(isSent: boolean): void;
}

interface Shared {
  readonly read: Promise<Whole>;
  readonly memory: Buffer;
  users: number;
  isReusable: boolean;
}

/** Files that are on their way: every region is sent the same bytes at about the same time, which are read and hashed once. */
const onTheirWay = new Map<string, Shared>();
const wholeBuffers = new BufferPool(WHOLE_BYTES, 3);

/** A small file. */
export async function readWhole(file: StoredFile, region: string): Promise<WholeFile> {
  const key = `${file.sha256} ${file.path}`;
  const shared = onTheirWay.get(key) ?? beginWhole(key, file, region);
  shared.users++;
  const release = (isReusable: boolean) => {
    shared.isReusable &&= isReusable;
    if (--shared.users > 0) return;
    if (onTheirWay.get(key) === shared) onTheirWay.delete(key);
    if (shared.isReusable) wholeBuffers.giveBack(shared.memory);
  };
  try {
    const { body, md5, sha256 } = await shared.read;
    return { body, md5, sha256, release };
  } catch (error) {
    release(false);
    // It names the region that read it; another one reads for itself.
    if (isRegionError(error) && error.region !== region) return await readWhole(file, region);
    throw error;
  }
}

function beginWhole(key: string, file: StoredFile, region: string): Shared {
  const isPooled = file.bytes >= leastPooledBytes && file.bytes <= WHOLE_BYTES;
  const memory = isPooled ? wholeBuffers.take() : Buffer.allocUnsafeSlow(Math.max(1, file.bytes));
  const shared = { read: readInto(memory, file, region), memory, users: 0, isReusable: true };
  shared.read.catch(() => onTheirWay.delete(key));
  onTheirWay.set(key, shared);
  return shared;
}

async function readInto(memory: Buffer, file: StoredFile, region: string): Promise<Whole> {
  await using handle = await open(file.path, 'r');
  const { size } = await handle.stat();
  if (size !== file.bytes) throw changed(region, file, `has ${size} bytes, not ${file.bytes}`);
  const body = memory.subarray(0, size);
  for (let got = 0; got < size; ) {
    const { bytesRead } = await handle.read(body, got, size - got, got);
    if (bytesRead === 0) throw changed(region, file, 'ended while it was read');
    got += bytesRead;
  }
  const sha256 = createHash('sha256').update(body).digest('hex');
  requireSame(file, sha256, region);
  return { body, sha256, md5: md5Of(body, sha256) };
}

/** The tag that a region gives to these bytes: the MD5, or that of the parts' MD5s with their number. */
export function etagOf(partMd5s: readonly string[], isMultipart: boolean): string {
  if (!isMultipart) return partMd5s[0] as string;
  const all = Buffer.concat(partMd5s.map((md5) => Buffer.from(md5, 'hex')));
  return `${createHash('md5').update(all).digest('hex')}-${partMd5s.length}`;
}

function changed(region: string, file: StoredFile, what: string): RegionError {
  return new RegionError('FILE_CHANGED', region, `was not given what was sealed: ${file.path} ${what}`);
}
