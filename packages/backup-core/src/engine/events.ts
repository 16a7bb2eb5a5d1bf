/** What the engine tells while it works: for logs, metrics and tests. Nothing depends on anybody listening. */
import type { SealedObject } from '../format/object.ts';
import type { Job } from '../schedule/schedule.ts';
import type { SpoolLevel } from '../spool/bounds.ts';

export type BackupEvent =
  | { readonly event: 'sealed'; readonly object: SealedObject; readonly tookMs: number }
  | { readonly event: 'stored'; readonly region: string; readonly object: SealedObject }
  | { readonly event: 'listed'; readonly entry: number; readonly objects: number }
  /** The region has the manifest up to this entry. */
  | { readonly event: 'delivered'; readonly region: string; readonly entry: number }
  | { readonly event: 'swept'; readonly names: readonly string[] }
  | {
      readonly event: 'region-trouble';
      readonly region: string;
      readonly code: string;
      readonly message: string;
    }
  | { readonly event: 'region-recovered'; readonly region: string }
  | { readonly event: 'object-failed'; readonly region: string; readonly name: string; readonly error: Error }
  | { readonly event: 'job-begun'; readonly job: Job; readonly why: string }
  | { readonly event: 'job-done'; readonly job: Job; readonly tookMs: number }
  | { readonly event: 'job-failed'; readonly job: Job; readonly error: Error }
  | { readonly event: 'job-put-off'; readonly job: Job; readonly why: string }
  | { readonly event: 'wal-refused'; readonly file: string; readonly error: Error }
  | { readonly event: 'seal-failed'; readonly file: string; readonly error: Error }
  | { readonly event: 'manifest-failed'; readonly region: string | null; readonly error: Error }
  | { readonly event: 'spool-level'; readonly level: SpoolLevel }
  | {
      readonly event: 'given-up';
      readonly name: string;
      readonly how: 'drop' | 'leave';
      readonly reason: string;
    }
  | { readonly event: 'sync-log-missed'; readonly fromSeq: number; readonly toSeq: number };

export type Tell = (event: BackupEvent) => void;
