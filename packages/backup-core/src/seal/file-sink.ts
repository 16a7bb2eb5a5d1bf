/** Writes pieces to a file in order, one write at a time, and lends the memory that the pieces come in. */
import type { FileHandle } from 'node:fs/promises';
import { BufferPool } from './buffer-pool.ts';
import { chunkBytes } from './partial-body.ts';

/** More than this does not wait to be written. */
const mostWaitingBytes = 2 * chunkBytes;
const buffers = new BufferPool(chunkBytes, 6);
/** So much goes to the disk while more is written, so that the end does not wait for all of it. */
const syncedBytes = 32 * 1024 * 1024;

export class FileSink {
  readonly #file: FileHandle;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | null = null;
  #unsyncedBytes = 0;
  #syncing: Promise<void> | null = null;
  #error: unknown = null;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** A buffer of `chunkBytes`; it comes back with the piece that lies in it. */
  memory(): Buffer {
    return buffers.take();
  }

  /** Takes the piece over. */
  add(piece: Buffer): void {
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    this.#writing ??= this.#write();
  }

  /** @throws what writing failed with. */
  async hasRoom(): Promise<void> {
    while (this.#waitingBytes > mostWaitingBytes && this.#error === null) await this.#writing;
    if (this.#error !== null) throw this.#error;
  }

  /** Everything is on the disk, and durable. */
  async end(): Promise<void> {
    await this.idle();
    if (this.#error !== null) throw this.#error;
    await this.#file.sync();
  }

  /** Nothing is being written any more. */
  async idle(): Promise<void> {
    while (this.#writing ?? this.#syncing) await (this.#writing ?? this.#syncing);
  }

  async #write(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const pieces = this.#waiting;
        this.#waiting = [];
        await writeAll(this.#file, pieces);
        for (const piece of pieces) {
          this.#waitingBytes -= piece.length;
          this.#unsyncedBytes += piece.length;
          buffers.giveBack(piece);
        }
        if (this.#unsyncedBytes >= syncedBytes) this.#syncing ??= this.#sync();
      }
    } catch (error) {
      this.#error ??= error;
      this.#waiting = [];
    } finally {
      this.#writing = null;
    }
  }

  /** A disk tells of a failure once, to whoever syncs first. */
  async #sync(): Promise<void> {
    this.#unsyncedBytes = 0;
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#error ??= error;
    } finally {
      this.#syncing = null;
    }
  }
}

async function writeAll(file: FileHandle, pieces: Buffer[]): Promise<void> {
  const wanted = pieces.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev(pieces);
  if (bytesWritten !== wanted) await file.appendFile(Buffer.concat(pieces).subarray(bytesWritten));
}
