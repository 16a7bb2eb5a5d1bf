import type { Transform } from 'node:stream';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

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
