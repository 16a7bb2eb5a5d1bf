/** How the sync is: what each room says of itself, and what the campus's database tells. */
import type { WatchedCatalog } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { Migrations, SchemaStatus } from './migrations/migrations.ts';
import type { Follower } from './pull/follower.ts';
import type { Pull } from './pull/pull.ts';
import type { Push } from './push/push.ts';
import type { Restore, RestoreStatus } from './restore/restore.ts';
import type { Proof, ResyncReport } from './resync/report.ts';
import type { Resync } from './resync/resync.ts';
import type { Seed, SeedProgress } from './seed/seed.ts';
import type { Sequences } from './sequences/sequences.ts';
import type { SyncLog } from './sync-log/sync-log.ts';

export interface SyncStatus {
  pendingTransactions: number;
  pendingBytes: number;
  oldestPendingSeconds: number | null;
  conflictsOpen: number;
  parked: number;
  lastPushAt: string | null;
  lastPullAt: string | null;
  epoch: string;
  loggedSeq: number;
  acknowledgedSeq: number;
  feedSeq: number;
  seeding: SeedProgress | null;
  /** The database holds a consistent copy of the campus's rows. */
  ready: boolean;
  /** The cloud was restored, and is given back what it has lost; null otherwise. */
  restore: RestoreStatus | null;
  /** Why local changes are not being read, with advice; null while they are. */
  captureProblem: string | null;
  /** Which migration this campus and the cloud are at. */
  schema: SchemaStatus & {
    /** Values and changes of the feed that are kept until this campus has a place for them. */
    kept: number;
  };
  /** What the log holds on disk, and what it should. What is pending stays beyond that too. */
  logBytes: number;
  logBudgetBytes: number;
  /** Sequences whose numbers run out, or that have none of this campus's own. */
  sequenceProblems: string[];
  /** What the last comparison of every row found; null before the first. */
  proof: Proof | null;
  /** The resync under way; null while there is none. */
  resync: ResyncReport | null;
}

export interface SyncRooms {
  database: Pool;
  log: SyncLog;
  push: Pick<Push, 'state'>;
  pull: Pick<Pull, 'state'>;
  follower: Pick<Follower, 'parked'>;
  seed: Pick<Seed, 'progress'>;
  restore: Pick<Restore, 'status'>;
  migrations: Pick<Migrations, 'status'>;
  catalog: Pick<WatchedCatalog, 'problem'>;
  sequences: Pick<Sequences, 'problems'>;
  resync: Pick<Resync, 'proof' | 'report'>;
  logBudgetBytes: number;
  captureProblem(): string | null;
}

export async function readSyncStatus(rooms: SyncRooms): Promise<SyncStatus> {
  const { log, push, pull, follower, seed, restore, migrations, catalog, sequences, resync } = rooms;
  const stored = await storedStatus(rooms.database);
  const { transactions, bytes, oldestCommittedAt } = log.pending();
  return {
    pendingTransactions: transactions,
    pendingBytes: bytes,
    oldestPendingSeconds:
      oldestCommittedAt === null ? null : Math.max(0, Date.now() / 1000 - oldestCommittedAt / 1e6),
    conflictsOpen: stored.conflictsOpen,
    parked: push.state.parkedInCloud + follower.parked,
    lastPushAt: push.state.lastPushAt?.toISOString() ?? null,
    lastPullAt: pull.state.lastPullAt?.toISOString() ?? null,
    epoch: log.epoch,
    loggedSeq: log.lastSeq,
    acknowledgedSeq: log.acknowledged,
    feedSeq: stored.feedSeq,
    seeding: seed.progress,
    ready: stored.ready,
    restore: restore.status,
    captureProblem: rooms.captureProblem(),
    schema: {
      ...migrations.status,
      number: stored.schemaNumber,
      problem: catalog.problem?.message ?? migrations.status.problem,
      kept: stored.kept,
    },
    logBytes: log.usage().usedBytes,
    logBudgetBytes: rooms.logBudgetBytes,
    sequenceProblems: [...sequences.problems],
    proof: resync.proof,
    resync: resync.report?.state === 'running' ? resync.report : null,
  };
}

/** What the campus's database tells; a database that is away leaves the numbers at what is surely true: not ready. */
export async function storedStatus(database: Pool): Promise<{
  conflictsOpen: number;
  feedSeq: number;
  ready: boolean;
  schemaNumber: number | null;
  kept: number;
}> {
  try {
    const { rows } = await database.query<Record<string, string | null>>(
      `SELECT (SELECT max(number) FROM sync.migration) AS schema_number,
              (SELECT count(*) FROM sync.unknown_value) + (SELECT count(*) FROM sync.unknown_change) AS kept,
              (SELECT count(*) FROM sync.conflict WHERE status = 'open') AS open,
              (SELECT seq FROM sync.cursor) AS seq, (SELECT seq >= seeded_until FROM sync.cursor) AS ready`,
    );
    const row = rows[0] ?? {};
    return {
      conflictsOpen: Number(row.open ?? 0),
      feedSeq: Number(row.seq ?? 0),
      ready: row.ready === 't',
      schemaNumber: Number(row.schema_number ?? 0),
      kept: Number(row.kept),
    };
  } catch {
    return { conflictsOpen: 0, feedSeq: 0, ready: false, schemaNumber: null, kept: 0 };
  }
}
