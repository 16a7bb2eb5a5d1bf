/**
 * A file that goes to several regions in parts at about the same time: each part is read and hashed once for all of them. A region that
 * is behind, or is sent the file later, reads again for itself what nobody holds any more.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { free } from '../seal/free.ts';

/** A part that nobody needs stays for a region that is a little behind, as long as there are no more than these in memory. */
const partsKept = 5;

/** The file up to a place. Who came there by the same parts has the same one. */
interface Progress {
  readonly hash: Hash;
}

export interface ReadPart {
  readonly body: Buffer;
  /** Hex. */
  readonly sha256: string;
  readonly before: Progress;
  readonly after: Progress;
}

/** What somebody holds, until he lets it go. */
export interface HeldPart extends ReadPart {
  /** @param isOver Nothing reads the body any more; otherwise its memory is never used again. */
  letGo(isOver: boolean): void;
}

interface Shared {
  readonly number: number;
  readonly memory: Buffer;
  readonly read: Promise<ReadPart>;
  users: number;
}

const opened = new Map<string, PartedFile>();

export class PartedFile implements AsyncDisposable {
  readonly start: Progress = { hash: createHash('sha256') };
  readonly #key: string;
  readonly #partBytes: number;
  readonly #handle: Promise<FileHandle>;
  readonly #parts = new Map<number, Shared>();
  #readers = 0;

  /** Disposed of by each who joins. */
  static join(path: string, partBytes: number): PartedFile {
    const key = `${partBytes} ${path}`;
    const file = opened.get(key) ?? new PartedFile(key, path, partBytes);
    opened.set(key, file);
    file.#readers++;
    return file;
  }

  private constructor(key: string, path: string, partBytes: number) {
    this.#key = key;
    this.#partBytes = partBytes;
    this.#handle = open(path, 'r');
    // It is met by whoever reads.
    this.#handle.catch(() => undefined);
  }

  async bytes(): Promise<number> {
    return (await (await this.#handle).stat()).size;
  }

  /** @param number From 1. @param before Of who asks. @returns null when the file ends before it should. */
  async part(number: number, bytes: number, before: Progress): Promise<HeldPart | null> {
    const shared = this.#parts.get(number) ?? this.#begin(number, bytes, before);
    shared.users++;
    try {
      const part = await shared.read;
      return { ...part, letGo: (isOver) => this.#letGo(shared, isOver) };
    } catch (error) {
      this.#letGo(shared, false);
      if (error === endedEarly) return null;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (--this.#readers > 0) return;
    opened.delete(this.#key);
    for (const { users, memory } of this.#parts.values()) if (users === 0) free(memory);
    this.#parts.clear();
    await (await this.#handle.catch(() => null))?.close();
  }

  #begin(number: number, bytes: number, before: Progress): Shared {
    const memory = this.#memory(bytes);
    const shared = { number, memory, read: this.#read(number, memory.subarray(0, bytes), before), users: 0 };
    this.#parts.set(number, shared);
    return shared;
  }

  #memory(bytes: number): Buffer {
    const fits = ({ users, memory }: Shared) => users === 0 && memory.length >= bytes;
    const unused = [...this.#parts.values()].find(fits);
    if (!unused || this.#parts.size < partsKept) return Buffer.allocUnsafeSlow(Math.max(1, bytes));
    this.#parts.delete(unused.number);
    return unused.memory;
  }

  async #read(number: number, body: Buffer, before: Progress): Promise<ReadPart> {
    const handle = await this.#handle;
    const start = (number - 1) * this.#partBytes;
    for (let got = 0; got < body.length; ) {
      const { bytesRead } = await handle.read(body, got, body.length - got, start + got);
      if (bytesRead === 0) throw endedEarly;
      got += bytesRead;
    }
    const sha256 = createHash('sha256').update(body).digest('hex');
    return { body, sha256, before, after: { hash: before.hash.copy().update(body) } };
  }

  #letGo(shared: Shared, isOver: boolean): void {
    shared.users--;
    const isKnown = this.#parts.get(shared.number) === shared;
    if (isKnown && (!isOver || this.#readers === 0)) this.#parts.delete(shared.number);
  }
}

const endedEarly = new Error('the file ended while it was read');
