/**
 * Which objects stay and which may go, each with its reasons. A pure function of the live objects, the policy, the clock
 * and what each region proves that it holds.
 *
 * In order: the clock is held against the signed manifest; the edge of the rolling days is found; then each kind has its
 * rule; then what no rule keeps is still kept where a region did not answer, an object lock runs, or what replaces it is
 * not proven in every region. Order comes from the signed `sealedAt`, never from a name or a timeline.
 *
 * It removes nothing itself, and promises nothing about what is not in `objects`: a stray file in a bucket is no concern
 * of retention.
 */
import type { AboutWal, SealedObject } from '../format/object.ts';
import { basesThatStay, type WalNeed, walNeeds } from './base-rule.ts';
import { type ClockEvidence, clockDoubt } from './clock-doubt.ts';
import { dumpReasons } from './dump-rule.ts';
import { lsnToNumber } from './lsn.ts';
import { DAY_MS, dayOf, type RetentionPolicy, yearsBefore } from './policy.ts';

/** What one region proved in this run. */
export interface RegionEvidence {
  readonly region: string;
  /** Null: it did not answer, so nothing is removed. Otherwise name → locked until, or null; only what has the right size. */
  readonly holds: ReadonlyMap<string, Date | null> | null;
}

export interface RetentionInput {
  readonly objects: readonly SealedObject[];
  readonly policy: RetentionPolicy;
  readonly now: Date;
  readonly regions: readonly RegionEvidence[];
  /** Names of dumps and bases that a drill restored. */
  readonly proven: ReadonlySet<string>;
  readonly clock: ClockEvidence;
}

export interface Decision {
  readonly object: SealedObject;
  readonly keep: boolean;
  readonly reasons: readonly string[];
}

export interface RetentionPlan {
  readonly decisions: readonly Decision[];
  /** Why nothing at all is removed in this run. */
  readonly halted: string | null;
  /** The oldest moment that the rolling days promise. */
  readonly edge: Date;
}

/** An object with its signed moment in ms, parsed once. */
export interface Dated {
  readonly object: SealedObject;
  readonly at: number;
  readonly inEveryRegion: boolean;
}

export function planRetention(input: RetentionInput): RetentionPlan {
  const { policy, regions } = input;
  const now = input.now.getTime();
  const dated = input.objects
    .map((object) => ({
      object,
      at: Date.parse(object.sealedAt),
      inEveryRegion: heldBy(regions, object.name),
    }))
    .sort((a, b) => a.at - b.at);
  const edge = edgeOf(dated, now, policy);
  const halted = haltReason(input, dated);
  const reasons = reasonsToKeep(dated, { ...input, edge, nowMs: now });
  const uncertain = unprovenSuccessor(dated, edge);
  const decisions = dated.map((one): Decision => {
    const own = reasons.get(one.object.name) ?? [];
    const lock = lockReason(regions, one.object.name, now);
    const kept = [...own, ...(lock ? [lock] : [])];
    if (kept.length > 0) return { object: one.object, keep: true, reasons: kept };
    const stop = halted ?? uncertain(one);
    if (stop) return { object: one.object, keep: true, reasons: [`nothing is removed now: ${stop}`] };
    return { object: one.object, keep: false, reasons: [removalReason(one, now)] };
  });
  return { decisions, halted, edge: new Date(edge) };
}

interface Context {
  readonly policy: RetentionPolicy;
  readonly proven: ReadonlySet<string>;
  readonly edge: number;
  readonly nowMs: number;
}

function reasonsToKeep(dated: readonly Dated[], context: Context): Map<string, string[]> {
  const reasons = new Map<string, string[]>();
  const keep = (name: string, reason: string) => {
    const known = reasons.get(name);
    if (known) known.push(reason);
    else reasons.set(name, [reason]);
  };
  const byKind = (kind: SealedObject['kind']) => dated.filter(({ object }) => object.kind === kind);
  dumpReasons(byKind('dump'), context, keep);
  const wal = byKind('wal');
  const bases = basesThatStay(byKind('base'), wal, context, keep);
  const needs = walNeeds(bases);
  for (const one of wal) for (const reason of walReasons(one, needs, context)) keep(one.object.name, reason);
  for (const one of byKind('history')) keep(one.object.name, 'timelines are followed by their history');
  const { policy, nowMs } = context;
  for (const one of byKind('sync-log')) {
    if (one.at >= nowMs - policy.syncLogDays * DAY_MS)
      keep(one.object.name, `sync log of the last ${policy.syncLogDays} days`);
  }
  for (const one of byKind('proof')) {
    if (one.at >= yearsBefore(nowMs, policy.archiveYears))
      keep(one.object.name, `proof of the last ${policy.archiveYears} years`);
  }
  return reasons;
}

function walReasons(one: Dated, needs: readonly WalNeed[], { edge, policy }: Context): string[] {
  const reasons = one.at >= edge ? [`within ${policy.days} rolling days`] : [];
  const about = one.object.about as AboutWal;
  const end = lsnToNumber(about.endLsn);
  const start = lsnToNumber(about.startLsn);
  const need = needs.find(
    (base) =>
      base.systemIdentifier === about.systemIdentifier &&
      end > base.start &&
      (base.stop === null
        ? about.timeline >= base.timeline
        : about.timeline === base.timeline && start <= base.stop),
  );
  return need ? [...reasons, `needed by base ${need.name}`] : reasons;
}

/**
 * The rolling days end `days` ago, or at the oldest of as many days that have a dump, whichever is earlier: a clock that
 * leapt, or a box that was off for a term, does not make all that there is too old at once.
 */
export function edgeOf(dated: readonly Dated[], now: number, policy: RetentionPolicy): number {
  const byClock = now - policy.days * DAY_MS;
  const days = new Set<string>();
  let edge = byClock;
  for (let i = dated.length - 1; i >= 0 && days.size < policy.days; i--) {
    const { object, at } = dated[i] as Dated;
    if (object.kind !== 'dump') continue;
    days.add(dayOf(at, policy));
    edge = Math.min(edge, at);
  }
  return edge;
}

function haltReason(input: RetentionInput, dated: readonly Dated[]): string | null {
  const silent = input.regions.filter(({ holds }) => holds === null).map(({ region }) => region);
  if (input.regions.length === 0) return 'no region was asked';
  if (silent.length > 0) return `${silent.join(' and ')} did not answer`;
  const newest = dated.at(-1)?.at;
  return clockDoubt(input.now.getTime(), newest, input.clock, input.policy);
}

/** An old dump goes only when a newer one is proven in every region; so with the bases, and the WAL with them. */
function unprovenSuccessor(dated: readonly Dated[], edge: number): (one: Dated) => string | null {
  const safe = (kind: string) =>
    dated.some(({ object, at, inEveryRegion }) => object.kind === kind && inEveryRegion && at >= edge);
  const dump = safe('dump') ? null : 'no dump of the rolling days is in every region';
  const base = safe('base') || dated.some((one) => one.object.kind === 'base' && one.inEveryRegion);
  const chain = base ? null : 'no base is in every region';
  return ({ object: { kind } }) => {
    if (kind === 'dump') return dump;
    return kind === 'base' || kind === 'wal' ? chain : null;
  };
}

function heldBy(regions: readonly RegionEvidence[], name: string): boolean {
  return regions.length > 0 && regions.every(({ holds }) => holds?.has(name) === true);
}

function lockReason(regions: readonly RegionEvidence[], name: string, now: number): string | null {
  for (const { region, holds } of regions) {
    const until = holds?.get(name);
    if (until && until.getTime() > now) return `locked in ${region} until ${until.toISOString()}`;
  }
  return null;
}

function removalReason({ object, at }: Dated, now: number): string {
  return `${object.kind} of ${Math.floor((now - at) / DAY_MS)} days ago that no rule keeps`;
}
