/** What the box says of itself to whoever looks after it: the answer of `GET /status`, as schema and as type. */
import Type from 'typebox';
import { ProofSchema, ReportSchema } from '../resync/report.ts';

const orNull = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const Count = Type.Integer({ minimum: 0 });
const Instant = Type.String({ description: 'ISO 8601' });

export const State = Type.Enum(['ONLINE', 'SUSPECT', 'LOCAL', 'RECOVERING', 'CATCHING_UP']);

const Seeding = Type.Object({ table: Type.String(), tablesDone: Count, tablesTotal: Count, rows: Count });

/** The number of a migration on each side. */
const Schema = Type.Object({
  number: orNull(Count),
  cloudNumber: orNull(Count),
  problem: orNull(Type.String({ description: 'why the next migration is not applied' })),
  kept: Type.Integer({ minimum: 0, description: 'what the feed brought and has no place here yet' }),
});

const Sync = Type.Object({
  pendingTransactions: Count,
  pendingBytes: Count,
  oldestPendingSeconds: orNull(Type.Number({ minimum: 0 })),
  conflictsOpen: Count,
  parked: Count,
  lastPushAt: orNull(Instant),
  lastPullAt: orNull(Instant),
  epoch: Type.Union([Type.String(), Type.Integer()]),
  loggedSeq: Count,
  acknowledgedSeq: Count,
  feedSeq: Count,
  seeding: orNull(Seeding),
  ready: Type.Boolean({ description: 'the box holds the data of the school' }),
  schema: Schema,
  captureProblem: orNull(Type.String({ description: 'why local changes are not being read' })),
  logBytes: Count,
  logBudgetBytes: Count,
  sequenceProblems: Type.Array(Type.String()),
  proof: orNull(ProofSchema),
  resync: orNull(ReportSchema),
});

const Probe = Type.Object({
  url: Type.String(),
  kind: Type.Enum(['signed', 'app']),
  at: Instant,
  ok: Type.Boolean(),
  refused: Type.Boolean(),
  rttMs: orNull(Type.Number()),
  problem: orNull(Type.String()),
});

const LinkStatus = Type.Object({
  reasons: Type.Array(Type.String()),
  misses: Count,
  hits: Count,
  lossPercent: Type.Number(),
  p95Ms: orNull(Type.Number()),
  clockOffsetMs: orNull(Type.Number()),
  holdDownMs: Type.Number(),
  holdDownLeftMs: Type.Number(),
  probes: Type.Array(Probe),
});

const Failback = Type.Object({
  outcome: Type.Enum(['done', 'failed']),
  at: Instant,
  pauseMs: orNull(Type.Number()),
  held: Count,
  reason: orNull(Type.String()),
});

const GatewayStatus = Type.Object({
  site: Type.Enum(['cloud', 'box', 'nobody']),
  fence: Type.Enum(['down', 'raised']),
  heldWrites: Count,
  boxWritesUnderWay: Count,
  lastFailback: orNull(Failback),
  requests: Count,
  repeatedAtBox: Count,
  outcomeUnknown: Count,
  boxUnreachable: Count,
});

const DiskStatus = Type.Object({
  state: Type.Enum(['OK', 'WARN', 'TRIM', 'REFUSE']),
  since: Instant,
  folder: Type.String({ description: 'the fullest of those that are watched' }),
  freeBytes: orNull(Count),
  ballastHeld: Type.Boolean(),
  problem: orNull(Type.String()),
});

const ClockStatus = Type.Object({
  trusted: Type.Boolean({ description: 'this boot was compared with the cloud’s clock' }),
  offsetMs: orNull(Type.Number({ description: 'the cloud’s clock minus this machine’s' })),
  errorMs: orNull(Type.Number({ minimum: 0 })),
  boot: Type.String(),
  lastExchangeAt: orNull(Instant),
});

const TrustStatus = Type.Object({
  state: Type.Enum(['not asked', 'not enrolled', 'pending', 'trusted', 'revoked', 'unknown']),
  fingerprint: orNull(Type.String({ description: 'of the box’s key' })),
  problem: orNull(Type.String()),
});

const CertificateStatus = Type.Object({
  until: Instant,
  problem: orNull(Type.String({ description: 'when it should have been renewed' })),
});

const BackupStatus = Type.Object({
  problem: orNull(Type.String({ description: 'why backups do not run' })),
  rpoSeconds: orNull(
    Type.Number({ minimum: 0, description: 'what would be lost of the database with the box' }),
  ),
  alarms: Type.Array(Type.String()),
});

export const StatusSchema = Type.Object({
  campus: Type.String(),
  state: State,
  since: Instant,
  policy: Type.Enum(['fallback', 'local-first']),
  sync: Sync,
  link: LinkStatus,
  gateway: GatewayStatus,
  disk: DiskStatus,
  clock: ClockStatus,
  certificate: orNull(CertificateStatus),
  trust: TrustStatus,
  backup: orNull(BackupStatus),
});

export type Status = Type.Static<typeof StatusSchema>;
