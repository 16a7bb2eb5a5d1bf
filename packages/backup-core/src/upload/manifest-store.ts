/** A region as the manifest sees it: small files of which each is put once. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestStore } from '../manifest/manifest-store.ts';
import { isRegionError } from '../region/errors.ts';
import { noMultipartState, type Region } from '../region/region.ts';

export interface ManifestStoreOptions {
  /** For files on their way. */
  readonly folder: string;
  readonly lockUntil?: () => Date | undefined;
}

export function manifestStoreOf(region: Region, { folder, lockUntil }: ManifestStoreOptions): ManifestStore {
  return {
    name: region.name,
    async *list(prefix, signal) {
      for await (const { name } of region.list(prefix, signal ? { signal } : {})) yield name;
    },
    async get(name, signal) {
      try {
        const body = await region.get(name, signal ? { signal } : {});
        return Buffer.concat(await body.toArray());
      } catch (error) {
        if (isRegionError(error, 'REGION_NOT_FOUND')) return null;
        throw error;
      }
    },
    async put(name, bytes, signal) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, `manifest-${randomBytes(6).toString('hex')}`);
      try {
        await writeFile(path, bytes, { mode: 0o600 });
        const sha256 = createHash('sha256').update(bytes).digest('hex');
        const lock = lockUntil?.();
        await region.put(
          name,
          { path, bytes: bytes.length, sha256 },
          {
            signal: signal ?? new AbortController().signal,
            state: noMultipartState,
            ...(lock && { lockUntil: lock }),
          },
        );
      } finally {
        await rm(path, { force: true });
      }
    },
  };
}
