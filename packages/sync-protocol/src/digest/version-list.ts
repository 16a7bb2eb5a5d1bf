/** How a list of row versions travels: column by column, hashes as bytes, so that it compresses to little more than its keys. */
import type { RowVersion } from './table-digest.ts';

export interface VersionList {
  keys: string[][];
  /** Base64 of 16 bytes a row. */
  hashes: string;
  versions: string[];
  bytes: number[];
}

export function encodeVersions(rows: readonly RowVersion[]): VersionList {
  return {
    keys: rows.map((row) => [...row.key]),
    hashes: Buffer.from(rows.map((row) => row.hash).join(''), 'hex').toString('base64'),
    versions: rows.map((row) => row.version),
    bytes: rows.map((row) => row.bytes),
  };
}

export function decodeVersions({ keys, hashes, versions, bytes }: VersionList): RowVersion[] {
  const hex = Buffer.from(hashes, 'base64').toString('hex');
  return keys.map((key, i) => ({
    key,
    hash: hex.slice(i * 32, i * 32 + 32),
    version: versions[i] ?? '',
    bytes: bytes[i] ?? 0,
  }));
}
