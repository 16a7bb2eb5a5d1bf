import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { decompressed } from './decompress.ts';
import { SealError } from './errors.ts';

const plain = Buffer.concat([randomBytes(1_500_000), Buffer.alloc(1_500_000, 'pupil')]);
const packed = zstdCompressSync(plain, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

async function* inPieces(bytes: Buffer, end?: Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 100_000) yield Buffer.from(bytes.subarray(at, at + 100_000));
  if (end) throw end;
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces, (piece) => Buffer.from(piece)));
}

test('what was compressed comes back', async () => {
  expect((await collect(decompressed(inPieces(packed)))).equals(plain)).toBe(true);
});

test('an error that comes behind the last byte is thrown, though everything was decompressed', async () => {
  const error = new SealError('SEAL_ALTERED', 'its MDC does not match');
  await expect(collect(decompressed(inPieces(packed, error)))).rejects.toBe(error);
});

test.each([
  ['something follows', Buffer.concat([packed, randomBytes(300_000)])],
  ['its end is missing', packed.subarray(0, -10)],
  ['a byte is another', Buffer.from(packed).fill(packed.readUInt8(1_000_000) ^ 1, 1_000_000, 1_000_001)],
])('a stream of which %s is altered', async (_what, bytes) => {
  await expect(collect(decompressed(inPieces(bytes)))).rejects.toMatchObject({ code: 'SEAL_ALTERED' });
});

test('who stops reading stops what it is read from', async () => {
  let isOver = false;
  async function* source() {
    try {
      yield* inPieces(packed);
    } finally {
      isOver = true;
    }
  }
  for await (const _ of decompressed(source())) break;
  await expect.poll(() => isOver).toBe(true);
});
