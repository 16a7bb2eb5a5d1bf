/** The form that blocks have in common: the length of a text, the text (JSON, compressed with zstd, with a checksum), and bytes behind it. */
import { constants, type ZstdOptions } from 'node:zlib';
import { ColumnError } from './column-code.ts';

const lengthBytes = 4;

export const textCompression: ZstdOptions = {
  params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 },
};

export function joinText(compressed: Buffer, behind: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32LE(compressed.length);
  return Buffer.concat([length, compressed, behind]);
}

/** @throws ColumnError */
export function partText(bytes: Buffer): { compressed: Buffer; behind: Buffer } {
  if (bytes.length < lengthBytes) throw new ColumnError('a block is cut short');
  const end = lengthBytes + bytes.readUInt32LE();
  if (end > bytes.length) throw new ColumnError('a block is cut short');
  return { compressed: bytes.subarray(lengthBytes, end), behind: bytes.subarray(end) };
}
