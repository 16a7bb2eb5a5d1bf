/**
 * A file that is there for its size. On a disk that is full nothing can be repaired, not even by deleting rows, since that
 * too is written first. So some room is held from the beginning, given up when writes are refused, and taken again
 * when there is plenty.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const chunkBytes = 1024 * 1024;

export interface Ballast {
  readonly bytes: number;
  held(): boolean;
  /** Takes the room; half a file is never left under the name. May be called when it is held. */
  take(): Promise<void>;
  /** Gives the room up. May be called when it is not held. */
  release(): Promise<void>;
}

export function openBallast(stateDir: string, bytes: number): Ballast {
  const path = join(stateDir, 'ballast');
  const beginning = `${path}.part`;
  return {
    bytes,
    held: () => existsSync(path),
    async take() {
      if (bytes === 0 || existsSync(path)) return;
      const file = await open(beginning, 'w');
      try {
        // Random, since a file system that compresses would keep no room for zeros.
        for (let left = bytes; left > 0; left -= chunkBytes)
          await file.write(randomBytes(Math.min(left, chunkBytes)));
        await file.sync();
      } catch (error) {
        await rm(beginning, { force: true });
        throw error;
      } finally {
        await file.close();
      }
      await rename(beginning, path);
    },
    async release() {
      await rm(path, { force: true });
      await rm(beginning, { force: true });
    },
  };
}
