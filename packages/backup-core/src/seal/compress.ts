import type { Transform } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

/**
 * Level 1 in this process, on a thread of its own: 430 MiB/s of COPY text at a ratio of 3.9. A spawned `zstd -T2` was
 * not faster on two cores once everything else that they do is counted; level 3 takes 1.7 times as long.
 */
const level = 1;
const chunkSize = 2 ** 18;

export function compression(): Transform {
  return createZstdCompress({
    chunkSize,
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
  });
}

export function decompression(): Transform {
  return createZstdDecompress({ chunkSize });
}
