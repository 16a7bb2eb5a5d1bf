/**
 * Follows a tar stream that passes by and hashes each file in it, without holding or copying what passes. It knows the plain
 * headers that Postgres writes: no extended ones, names of at most 99 bytes, large sizes in base 256.
 */
import { createHash, type Hash } from 'node:crypto';
import { SourceError } from './errors.ts';

const blockBytes = 512;
const regularFile = 0x30;

export interface TarredFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface TarWalkOptions {
  /** The one file that is kept in memory as well. */
  readonly keep: string;
  /** At most this much of it; more is refused. */
  readonly maxKeptBytes: number;
}

interface Current {
  readonly path: string;
  readonly bytes: number;
  readonly hash: Hash;
  readonly kept: Buffer[] | null;
}

export class TarWalk {
  readonly files = new Map<string, TarredFile>();
  readonly #options: TarWalkOptions;
  readonly #header = Buffer.alloc(blockBytes);
  #headerFilled = 0;
  #current: Current | null = null;
  /** Of the current file, and of what fills up its last block. */
  #left = 0;
  #padding = 0;
  #kept: Buffer | null = null;

  constructor(options: TarWalkOptions) {
    this.#options = options;
  }

  /** What `keep` holds; null when it has not passed. */
  get kept(): Buffer | null {
    return this.#kept;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) at += this.#data(chunk, at);
      else if (this.#padding > 0) at += this.#skip(chunk.length - at);
      else at += this.#fillHeader(chunk, at);
    }
  }

  /** @throws SourceError SOURCE_MISMATCH when the stream ended within a file. */
  end(): void {
    if (this.#left > 0 || this.#headerFilled > 0)
      throw new SourceError(
        'SOURCE_MISMATCH',
        `The base backup ended within ${this.#current?.path ?? 'a header'}.`,
      );
  }

  #data(chunk: Buffer, at: number): number {
    const taken = Math.min(this.#left, chunk.length - at);
    const part = chunk.subarray(at, at + taken);
    this.#current?.hash.update(part);
    this.#current?.kept?.push(Buffer.from(part));
    this.#left -= taken;
    if (this.#left === 0) this.#endFile();
    return taken;
  }

  #skip(available: number): number {
    const skipped = Math.min(this.#padding, available);
    this.#padding -= skipped;
    return skipped;
  }

  #fillHeader(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#header, this.#headerFilled, at, at + blockBytes - this.#headerFilled);
    this.#headerFilled += copied;
    if (this.#headerFilled === blockBytes) this.#begin();
    return copied;
  }

  #begin(): void {
    this.#headerFilled = 0;
    // Blocks of zeros end an archive, and Postgres may add another one behind them.
    if (this.#header[0] === 0) return;
    const path = this.#header.toString('utf8', 0, this.#header.indexOf(0));
    const bytes = sizeOf(this.#header);
    this.#left = bytes;
    this.#padding = (blockBytes - (bytes % blockBytes)) % blockBytes;
    if (this.#header[156] !== regularFile && this.#header[156] !== 0) return;
    const keep = path === this.#options.keep;
    if (keep && bytes > this.#options.maxKeptBytes)
      throw new SourceError(
        'SOURCE_MISMATCH',
        `${path} of the base backup has ${bytes} bytes, which is too many.`,
      );
    this.#current = { path, bytes, hash: createHash('sha256'), kept: keep ? [] : null };
    if (bytes === 0) this.#endFile();
  }

  #endFile(): void {
    if (!this.#current) return;
    const { path, bytes, hash, kept } = this.#current;
    this.files.set(path, { bytes, sha256: hash.digest('hex') });
    if (kept) this.#kept = Buffer.concat(kept);
    this.#current = null;
  }
}

function sizeOf(header: Buffer): number {
  const field = header.subarray(124, 136);
  if (((field[0] as number) & 0x80) !== 0) return Number(field.readBigUInt64BE(4));
  return Number.parseInt(field.toString('latin1').replaceAll('\0', '').trim() || '0', 8);
}
