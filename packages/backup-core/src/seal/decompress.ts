import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { decompression } from './compress.ts';
import { SealError } from './errors.ts';

export async function* decompressed(packed: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(packed, { objectMode: false, highWaterMark: 2 ** 18 });
  const zstd = decompression();
  const moved = pipeline(source, zstd);
  moved.catch(() => {});
  try {
    yield* zstd;
    await moved;
  } catch (cause) {
    throw fromZstd(cause as NodeJS.ErrnoException);
  } finally {
    source.destroy();
    zstd.destroy();
  }
}

function fromZstd(cause: NodeJS.ErrnoException): Error {
  if (cause instanceof SealError || !/^(ZSTD_|Z_|ERR_ZSTD)/.test(cause.code ?? '')) return cause;
  return new SealError('SEAL_ALTERED', 'What was decrypted is not a whole zstd stream.', { cause });
}
