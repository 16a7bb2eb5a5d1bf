import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { freeUsed } from './free.ts';
import { writesInto } from './writes-into.ts';

/**
 * Level 1 in this process, on a thread of its own: 430 MiB/s of COPY text at a ratio of 3.9. A spawned `zstd -T2` was
 * not faster on two cores once everything else that they do is counted; level 3 takes 1.7 times as long.
 */
const level = 1;
const chunkSize = 2 ** 18;

/** Takes chunks one after the other; with more than one of them it is busy while its caller works on what came out. */
export class Compression {
  readonly #zstd;
  readonly #write;
  #packed: Buffer[] = [];

  constructor() {
    this.#zstd = createZstdCompress({
      chunkSize,
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    this.#write = writesInto(this.#zstd);
    // It is met by whoever writes.
    this.#zstd.on('data', (packed: Buffer) => this.#packed.push(packed)).on('error', () => undefined);
  }

  /** Resolves when the chunk is not needed any more. */
  async add(chunk: Buffer): Promise<void> {
    await this.#write(chunk);
  }

  async end(): Promise<void> {
    const ended = once(this.#zstd, 'end');
    this.#zstd.end();
    await ended;
  }

  /** What has come out and was not taken yet; each piece is valid until the next one is asked for. */
  *packed(): Generator<Buffer> {
    const pieces = this.#packed;
    this.#packed = [];
    for (const piece of pieces) {
      yield piece;
      // It fills one buffer piece by piece.
      freeUsed(piece);
    }
  }

  close(): void {
    this.#zstd.destroy();
  }
}

export function decompression(): Transform {
  return createZstdDecompress({ chunkSize });
}
