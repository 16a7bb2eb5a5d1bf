import type { Transform } from 'node:stream';
import { decompression } from './compress.ts';
import { SealError } from './errors.ts';
import { writesInto } from './writes-into.ts';

/** What comes out is valid as long as its reader holds it. */
export async function* decompressed(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const zstd = decompression();
  const fed = feed(packed, zstd);
  fed.catch((error) => zstd.destroy(error));
  try {
    yield* zstd;
    if (!zstd.writableEnded) throw new SealError('SEAL_ALTERED', 'Something follows the zstd stream.');
    await fed;
  } catch (cause) {
    throw fromZstd(cause as NodeJS.ErrnoException);
  } finally {
    zstd.destroy();
  }
}

/** While one piece is decompressed, on a thread of its own, the next one is decrypted. */
async function feed(packed: AsyncIterable<Buffer>, zstd: Transform): Promise<void> {
  const write = writesInto(zstd);
  let taken = Promise.resolve();
  for await (const piece of packed) {
    await taken;
    taken = write(piece);
    // Its failure is met where it is awaited.
    taken.catch(() => undefined);
  }
  await taken;
  zstd.end();
}

function fromZstd(cause: NodeJS.ErrnoException): Error {
  if (cause instanceof SealError || !/^(ZSTD_|Z_|ERR_ZSTD)/.test(cause.code ?? '')) return cause;
  return new SealError('SEAL_ALTERED', 'What was decrypted is not a whole zstd stream.', { cause });
}
