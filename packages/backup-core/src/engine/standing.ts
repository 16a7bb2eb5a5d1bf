/** Gathers how things stand, and makes the status of it. */
import type { SealedObject } from '../format/object.ts';
import type { Recipient } from '../keys/recipient.ts';
import type { QueueFigures } from '../spool/live-index.ts';
import type { Spool } from '../spool/spool.ts';
import type { RegionState } from '../upload/region-state.ts';
import { alarmsOf } from './alarms.ts';
import { chainFrom } from './chain.ts';
import type { JobState, Jobs } from './jobs.ts';
import type { RoomFigures } from './room.ts';
import { proveRegion, type RegionProof, rpoMs } from './rpo.ts';
import type { ServerState } from './server-watch.ts';
import type { BackupStatus, ChainStatus, RegionStatus } from './status.ts';

export interface Gathered {
  readonly site: string;
  readonly now: number;
  readonly runningSinceMs: number;
  readonly rpoLimitMs: number;
  readonly spool: Spool;
  readonly states: readonly RegionState[];
  /** Number of the last manifest entry. */
  readonly entries: number;
  readonly room: RoomFigures;
  readonly jobs: Jobs;
  readonly server: ServerState;
  readonly coveredUntil: (place: number) => number | null;
  readonly archivePort: number | null;
  readonly walRefused: string | null;
  readonly manifestError: string | null;
  readonly keys: readonly Recipient[];
}

export interface Stood extends Gathered {
  readonly proofs: readonly RegionProof[];
  readonly chains: readonly ChainStatus[];
}

export function standing(gathered: Gathered): Stood {
  const { spool, states, coveredUntil } = gathered;
  const proofs = states.map(({ region }) => {
    const held = { bases: spool.objects('base', { in: region }), wal: spool.wal({ in: region }) };
    return proveRegion(region, held, coveredUntil);
  });
  const wal = spool.wal();
  const chains = spool.objects('base').map((base): ChainStatus => {
    const { last, gap } = chainFrom(base.about, wal);
    return {
      base: base.name,
      startedAt: base.about.startedAt,
      reachesAt: iso(last?.closedAt),
      hasGap: gap !== null,
    };
  });
  return { ...gathered, proofs, chains };
}

export function statusOf(stood: Stood): BackupStatus {
  const { site, now, proofs, chains, room, rpoLimitMs, jobs, archivePort, spool, states } = stood;
  const lossMs = rpoMs(proofs, now);
  const queues = spool.queues();
  return {
    site,
    at: new Date(now).toISOString(),
    rpo: { seconds: lossMs === null ? null : Math.round(lossMs / 1000), limitSeconds: rpoLimitMs / 1000 },
    regions: states.map((state, index) => regionStatus(stood, state, proofs[index], queues[index])),
    spool: room,
    jobs: {
      dump: jobs.state('dump'),
      base: jobs.state('base'),
      checkpoint: jobs.state('checkpoint'),
      'sync-log': jobs.state('sync-log'),
    } satisfies Record<string, JobState>,
    chains,
    archivePort,
    alarms: alarmsOf({
      ...stood,
      rpoMs: lossMs,
      gaps: gapsThatCount(chains),
      lastDumpMs: jobs.state('dump').lastAt,
      spoolLevel: room.level,
      regions: states.map(({ region, trouble }) => ({ region, trouble })),
    }),
  };
}

/** A gap behind an older base is history once a newer one reaches the present. */
function gapsThatCount(chains: readonly ChainStatus[]): number {
  const newest = chains.at(-1);
  return newest?.hasGap ? 1 : 0;
}

function regionStatus(
  { spool, entries }: Stood,
  { region, trouble }: RegionState,
  proof: RegionProof | undefined,
  queue: QueueFigures | undefined,
): RegionStatus {
  const newest = (kind: 'dump' | 'base'): SealedObject | undefined =>
    spool.objects(kind, { in: region }).at(-1);
  return {
    region,
    trouble,
    waiting: {
      objects: queue?.objects ?? 0,
      bytes: queue?.bytes ?? 0,
      oldestAt: iso(queue?.oldestMs),
    },
    entriesBehind: entries - spool.listing.headOf(region),
    safeUntil: iso(proof?.safeUntil),
    lastDumpAt: newest('dump')?.sealedAt ?? null,
    lastBaseAt: newest('base')?.sealedAt ?? null,
    lastWalAt: iso(spool.wal({ in: region }).at(-1)?.closedAt),
  };
}

function iso(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}
