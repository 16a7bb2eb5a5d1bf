/**
 * How the backups of a site are, as one answer: the last good dump and base, WAL and RPO per region, what waits, the drills and
 * what is wrong. A pure function of the verified manifest, of what each region lists, and of the proofs that this machine keeps.
 *
 * "Good" is what every region holds whole. It says nothing about the running daemon beyond the queue that is handed in.
 */
import { type DrillPolicy, type DrillState, drillState } from '../drill/drill-schedule.ts';
import type { Proof } from '../drill/proof.ts';
import type { Alarm as DaemonAlarm } from '../engine/alarms.ts';
import { proveRegion, type RegionProof, rpoMs } from '../engine/rpo.ts';
import type { BackupStatus } from '../engine/status.ts';
import type { SealedObject } from '../format/object.ts';
import type { RegionEvidence } from '../retention/retention.ts';
import { lsnPosition } from '../source/wal/wal-name.ts';

export interface StatusInput {
  readonly site: string;
  readonly now: Date;
  readonly objects: readonly SealedObject[];
  readonly head: { readonly number: number; readonly at: string };
  readonly evidence: readonly RegionEvidence[];
  readonly behind: readonly { readonly store: string; readonly head: { readonly number: number } }[];
  readonly failed: readonly { readonly store: string; readonly error: unknown }[];
  readonly proofs: readonly Proof[];
  readonly drills: Readonly<Record<Proof['kind'], DrillPolicy>>;
  /** What the daemon of this machine said last. Null: none runs here, or it has not spoken for a while. */
  readonly daemon: BackupStatus | null;
  /** Whether one should be running here. */
  readonly daemonExpected: boolean;
}

export interface QueueStatus {
  readonly region: string;
  readonly objects: number;
  readonly bytes: number;
  readonly oldestAt: string | null;
}

export interface Good {
  readonly name: string;
  /** When the database was as this holds it. */
  readonly at: string;
  readonly ageMs: number;
}

export interface RegionStatus {
  readonly name: string;
  readonly state: 'ok' | 'behind' | 'failed';
  readonly problem: string | null;
  /** Of the problem, when it has one. */
  readonly code: string | null;
  /** Every commit before it comes back from this region alone. */
  readonly walUntil: string | null;
  readonly lagMs: number | null;
  /** Live objects that it does not hold whole. */
  readonly missing: number | null;
}

export const alarms = [
  'NO_DUMP',
  'DUMP_LATE',
  'NO_BASE',
  'BASE_LATE',
  'RPO_EXCEEDED',
  'WAL_GAP',
  'REGION_FAILED',
  'REGION_BEHIND',
  'DRILL_FAILED',
  'DRILL_MISSING',
  'DAEMON_SILENT',
] as const;
export type Alarm = (typeof alarms)[number];

export interface Status {
  readonly site: string;
  readonly at: string;
  readonly manifest: { readonly entry: number; readonly at: string };
  readonly dump: Good | null;
  readonly base: Good | null;
  readonly rpoMs: number | null;
  readonly regions: readonly RegionStatus[];
  readonly queue: readonly QueueStatus[] | null;
  readonly drills: readonly DrillStatus[];
  readonly lastProof: Pick<Proof, 'drill' | 'kind' | 'region' | 'at' | 'passed' | 'rtoMs' | 'rpoMs'> | null;
  readonly alarms: readonly Alarm[];
  /** As the daemon words them. */
  readonly daemonAlarms: readonly DaemonAlarm[];
}

export type DrillStatus = Omit<DrillState, 'next' | 'last'> & { readonly next: string };

type WalPlace = Parameters<typeof proveRegion>[1]['wal'][number];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
export const limits = { rpoMs: 5 * 60_000, dumpMs: 30 * HOUR_MS, baseMs: 9 * DAY_MS } as const;

export function buildStatus(input: StatusInput): Status {
  const { site, now, head, proofs, daemon } = input;
  const dump = newestGood(input, 'dump', (one) => one.about.takenAt);
  const base = newestGood(input, 'base', (one) => one.about.endedAt);
  const proven = provenRegions(input);
  const seen = rpoMs([...proven.values()], now.getTime());
  // The daemon also knows that nothing was committed since; the regions alone cannot.
  const rpo =
    daemon?.rpo.seconds != null
      ? Math.min(daemon.rpo.seconds * 1000, seen ?? Number.POSITIVE_INFINITY)
      : seen;
  const regions = input.evidence.map((evidence) =>
    regionStatus(evidence, proven.get(evidence.region), input),
  );
  const drills = drillStatuses(input);
  const last = proofs.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at)).at(-1);
  const found: (Alarm | null)[] = [
    dump ? (dump.ageMs > limits.dumpMs ? 'DUMP_LATE' : null) : 'NO_DUMP',
    base ? (base.ageMs > limits.baseMs ? 'BASE_LATE' : null) : 'NO_BASE',
    rpo === null || rpo > limits.rpoMs ? 'RPO_EXCEEDED' : null,
    hasGap(proven) ? 'WAL_GAP' : null,
    regions.some(({ state }) => state === 'failed') ? 'REGION_FAILED' : null,
    regions.some(({ state }) => state === 'behind') ? 'REGION_BEHIND' : null,
    ...drills.map(({ alarm }) => alarm),
    daemon === null && input.daemonExpected ? 'DAEMON_SILENT' : null,
  ];
  return {
    site,
    at: now.toISOString(),
    manifest: { entry: head.number, at: head.at },
    dump,
    base,
    rpoMs: rpo,
    regions,
    queue: daemon ? daemon.regions.map(({ region, waiting }) => ({ region, ...waiting })) : null,
    drills,
    lastProof: last ? pickProof(last) : null,
    alarms: [...new Set(found.filter((one) => one !== null))],
    daemonAlarms: daemon?.alarms ?? [],
  };
}

function newestGood<K extends 'dump' | 'base'>(
  { objects, evidence, now }: StatusInput,
  kind: K,
  momentOf: (object: SealedObject<K>) => string,
): Good | null {
  const good = (objects.filter((one) => one.kind === kind) as SealedObject<K>[])
    .filter(({ name }) => evidence.length > 0 && evidence.every(({ holds }) => holds?.has(name)))
    .toSorted((a, b) => Date.parse(momentOf(a)) - Date.parse(momentOf(b)))
    .at(-1);
  if (!good) return null;
  const at = momentOf(good);
  return { name: good.name, at, ageMs: Math.max(0, now.getTime() - Date.parse(at)) };
}

function provenRegions({ objects, evidence }: StatusInput): Map<string, RegionProof> {
  const bases = objects.filter((one) => one.kind === 'base') as SealedObject<'base'>[];
  const wal = (objects.filter((one) => one.kind === 'wal') as SealedObject<'wal'>[])
    .map(placeOf)
    .sort((a, b) => a.timeline - b.timeline || a.start - b.start);
  return new Map(
    evidence.map(({ region, holds }) => {
      const held = {
        bases: bases.filter(({ name }) => holds?.has(name)),
        wal: wal.filter(({ name }) => holds?.has(name)),
      };
      return [region, proveRegion(region, held, () => null)] as const;
    }),
  );
}

function placeOf({ name, about }: SealedObject<'wal'>): WalPlace {
  return {
    name,
    system: about.systemIdentifier,
    timeline: about.timeline,
    start: lsnPosition(about.startLsn),
    end: lsnPosition(about.endLsn),
    closedAt: Date.parse(about.closedAt),
  };
}

/** A gap behind the newest base that has one concerns today; one behind an old base is history that a newer base bridges. */
function hasGap(proven: ReadonlyMap<string, RegionProof>): boolean {
  return [...proven.values()].some(({ chains }) => {
    const newest = chains
      .toSorted((a, b) => Date.parse(a.base.about.endedAt) - Date.parse(b.base.about.endedAt))
      .at(-1);
    return newest?.gap !== null && newest?.gap !== undefined;
  });
}

function regionStatus(
  { region, holds }: RegionEvidence,
  proof: RegionProof | undefined,
  { behind, failed, objects, now }: StatusInput,
): RegionStatus {
  const failure = failed.find(({ store }) => store === region);
  const late = behind.find(({ store }) => store === region);
  const problem = failure
    ? String((failure.error as Error).message)
    : holds === null
      ? 'it could not be listed'
      : late
        ? `its manifest ends with entry ${late.head.number}`
        : null;
  const safe = proof?.safeUntil ?? null;
  return {
    name: region,
    state: failure || holds === null ? 'failed' : late ? 'behind' : 'ok',
    problem,
    code: codeOf(failure?.error) ?? (holds === null ? 'REGION_UNREACHABLE' : null),
    walUntil: safe === null ? null : new Date(safe).toISOString(),
    lagMs: safe === null ? null : Math.max(0, now.getTime() - safe),
    missing: holds === null ? null : objects.filter(({ name }) => !holds.has(name)).length,
  };
}

function codeOf(error: unknown): string | null {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : null;
}

function drillStatuses({ evidence, proofs, drills, now, objects }: StatusInput): DrillStatus[] {
  const [first, ...rest] = evidence.map(({ region }) => region);
  if (first === undefined) return [];
  const oldest = objects.reduce((least, one) => Math.min(least, Date.parse(one.sealedAt)), now.getTime());
  const when = { now, since: new Date(oldest) };
  return (['base', 'dump'] as const).map((kind) => {
    const state = drillState(kind, proofs, [first, ...rest], drills[kind], when);
    return { kind, region: state.region, alarm: state.alarm, next: state.next.toISOString() };
  });
}

function pickProof({
  drill,
  kind,
  region,
  at,
  passed,
  rtoMs,
  rpoMs: rpo,
}: Proof): NonNullable<Status['lastProof']> {
  return { drill, kind, region, at, passed, rtoMs, rpoMs: rpo };
}
