/** How the backups of this site stand, as one value: for `status --json`, the console, metrics and tests. */
import type { Job } from '../schedule/schedule.ts';
import type { RegionTrouble } from '../upload/region-state.ts';
import type { Alarm } from './alarms.ts';
import type { JobState } from './jobs.ts';
import type { RoomFigures } from './room.ts';

export interface BackupStatus {
  readonly site: string;
  readonly at: string;
  readonly rpo: {
    /** Null: some region could bring nothing back. */
    readonly seconds: number | null;
    readonly limitSeconds: number;
  };
  readonly regions: readonly RegionStatus[];
  readonly spool: RoomFigures;
  readonly jobs: Readonly<Record<Job, JobState>>;
  /** From each base of this site to the newest WAL, over all that was ever sealed. */
  readonly chains: readonly ChainStatus[];
  readonly archivePort: number | null;
  readonly alarms: readonly Alarm[];
}

export interface RegionStatus {
  readonly region: string;
  readonly trouble: RegionTrouble | null;
  readonly waiting: { readonly objects: number; readonly bytes: number; readonly oldestAt: string | null };
  /** Entries of the manifest that it lacks. */
  readonly entriesBehind: number;
  /** Every commit before it can be brought back from this region alone. */
  readonly safeUntil: string | null;
  readonly lastDumpAt: string | null;
  readonly lastBaseAt: string | null;
  readonly lastWalAt: string | null;
}

export interface ChainStatus {
  readonly base: string;
  readonly startedAt: string;
  readonly reachesAt: string | null;
  readonly hasGap: boolean;
}
