/**
 * Copies ciphertext from one region to another, through a file: what was fetched is checked before it is sent, and neither
 * half is done twice after an interruption. Nothing is decrypted.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RegionError } from './errors.ts';
import type { PutOptions, Region, Stored } from './region.ts';

export interface CopiedObject {
  readonly name: string;
  readonly bytes: number;
  /** Hex, by the signed manifest. */
  readonly sha256: string;
}

/** @throws RegionError REGION_LIED naming the source when its bytes are not those of the manifest. */
export async function copyObject(
  from: Region,
  to: Region,
  object: CopiedObject,
  options: PutOptions & { readonly dir: string },
): Promise<Stored> {
  const path = join(options.dir, `${object.sha256}.copy`);
  await fetchObject(from, object, path, options.signal);
  const stored = await to.put(object.name, { path, bytes: object.bytes, sha256: object.sha256 }, options);
  await rm(path, { force: true });
  return stored;
}

/** Goes on with the bytes that are there from an earlier try. The file is there and right when this resolves. */
export async function fetchObject(
  from: Region,
  object: CopiedObject,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const there = (await stat(path).catch(() => null))?.size ?? 0;
  if (there > object.bytes) await rm(path);
  const start = there > object.bytes ? 0 : there;
  if (start < object.bytes || object.bytes === 0) {
    const range = start === 0 ? undefined : { start };
    const body = await from.get(object.name, { signal, ...(range !== undefined && { range }) });
    await pipeline(body, createWriteStream(path, { flags: start === 0 ? 'w' : 'a' }), { signal });
  }
  const found = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), found, { signal });
  const sha256 = found.digest('hex');
  if (sha256 === object.sha256) return;
  await rm(path);
  throw new RegionError(
    'REGION_LIED',
    from.name,
    `gives ${object.name} with the hash ${sha256}, not ${object.sha256}`,
  );
}
