/**
 * A WAL file where Postgres has it, opened by the daemon itself, so that its bytes need not be sent and written down once more. The
 * one who asks only names the place: what is opened must be the very file that it looked at, and belong to the server's user.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { WalError } from './errors.ts';
import { headerBytes, readSegmentHeader, type SegmentHeader } from './segment-header.ts';

export interface Place {
  /** As the file system has it, whatever its encoding. */
  readonly path: Buffer;
  readonly bytes: number;
  readonly inode: bigint;
}

export interface SegmentInPlace {
  readonly file: string;
  readonly path: Buffer;
  readonly timeline: number;
  readonly header: SegmentHeader;
  readonly modified: Date;
  /** Open until the work with it has ended. */
  readonly fd: number;
  /** @throws WalError WAL_INCOMPLETE when somebody wrote to it since it was opened. */
  requireUntouched(): Promise<void>;
}

export class OpenedFile implements AsyncDisposable {
  readonly bytes: number;
  readonly inode: bigint;
  /** Nanoseconds. */
  readonly writtenAt: bigint;
  readonly #path: Buffer;
  readonly #handle: FileHandle;

  private constructor(
    path: Buffer,
    handle: FileHandle,
    found: { size: bigint; ino: bigint; mtimeNs: bigint },
  ) {
    this.#path = path;
    this.#handle = handle;
    this.bytes = Number(found.size);
    this.inode = found.ino;
    this.writtenAt = found.mtimeNs;
  }

  /** Null when this process cannot open it, or it belongs to somebody else. */
  static async open(path: Buffer, ownerUid: number | undefined): Promise<OpenedFile | null> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    const handle = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => null);
    if (!handle) return null;
    const found = await handle.stat({ bigint: true }).catch(() => null);
    if (found?.isFile() && Number(found.uid) === ownerUid) return new OpenedFile(path, handle, found);
    await handle.close();
    return null;
  }

  /** @throws WalError WAL_INCOMPLETE when it is not that segment whole. */
  async segment(file: string, timeline: number): Promise<SegmentInPlace> {
    const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
    return {
      file,
      timeline,
      path: this.#path,
      header: readSegmentHeader(file, buffer.subarray(0, bytesRead), this.bytes),
      modified: new Date(Number(this.writtenAt / 1_000_000n)),
      fd: this.#handle.fd,
      requireUntouched: () => this.#requireUntouched(file),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async #requireUntouched(file: string): Promise<void> {
    if ((await this.#handle.stat({ bigint: true })).mtimeNs === this.writtenAt) return;
    throw new WalError('WAL_INCOMPLETE', `${file} was written to while it was read.`);
  }
}
