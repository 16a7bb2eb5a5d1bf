import type { Transform } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { freeMemory } from './free.ts';

/**
 * Level 1 in this process, on a thread of its own: 430 MiB/s of COPY text at a ratio of 3.9. A spawned `zstd -T2` was
 * not faster on two cores once everything else that they do is counted; level 3 takes 1.7 times as long.
 */
const level = 1;
const chunkSize = 2 ** 18;

/** Takes chunks one after the other. With two of them it is busy while its caller works on what came out. */
export class Compression {
  readonly #zstd;
  readonly #failed = Promise.withResolvers<never>();
  #packed: Buffer[] = [];

  constructor() {
    this.#zstd = createZstdCompress({
      chunkSize,
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    });
    this.#failed.promise.catch(() => undefined);
    this.#zstd.on('data', (packed: Buffer) => this.#packed.push(packed)).on('error', this.#failed.reject);
  }

  /** Resolves when the chunk is not needed any more. */
  async add(chunk: Buffer): Promise<void> {
    const done = new Promise<void>((resolve) => this.#zstd.write(chunk, () => resolve()));
    await Promise.race([done, this.#failed.promise]);
  }

  async end(): Promise<void> {
    const done = new Promise<void>((resolve) => this.#zstd.once('end', resolve).end());
    await Promise.race([done, this.#failed.promise]);
  }

  /** What has come out and was not taken yet; each piece is valid until the next one is asked for. */
  *packed(): Generator<Buffer> {
    const pieces = this.#packed;
    this.#packed = [];
    for (const piece of pieces) {
      yield piece;
      // It fills one buffer piece by piece: with the last piece it is done with it.
      if (piece.byteOffset + piece.length === piece.buffer.byteLength) freeMemory(piece.buffer);
    }
  }

  close(): void {
    this.#zstd.destroy();
  }
}

export function decompression(): Transform {
  return createZstdDecompress({ chunkSize });
}
