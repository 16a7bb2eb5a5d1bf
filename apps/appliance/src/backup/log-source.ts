/** The sync log as a source of backups: its lines as they stand, a slice at a time. */
import type { SyncLogSource } from '@skooly-edge/backup-core';
import type { SyncLog } from '../sync-log/sync-log.ts';

const sliceBytes = 1024 * 1024;

export function logSource(log: Pick<SyncLog, 'epoch' | 'lastSeq' | 'firstSeq' | 'read'>): SyncLogSource {
  return {
    epoch: log.epoch,
    head: () => log.lastSeq,
    first: () => log.firstSeq,
    *read(from, to) {
      for (let at = from - 1; at < to; ) {
        const slice = log.read(at, sliceBytes, to - at);
        if (!slice) return;
        yield* slice.lines;
        at = slice.lastSeq;
      }
    },
  };
}
