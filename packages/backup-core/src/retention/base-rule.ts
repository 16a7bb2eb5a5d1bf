/**
 * Which base backups stay, and what WAL they need.
 *
 * Every base of the rolling days stays. Before their edge, each line (server and timeline) that has WAL or a base in the
 * rolling days keeps the newest base that reaches it and is in every region, so that each moment since the edge has a base
 * before it. The newest good base and the last one that a drill restored stay too; the WAL of the latter only as far as it
 * takes to make that base consistent.
 */
import type { AboutBase, AboutWal } from '../format/object.ts';
import { lsnToNumber } from './lsn.ts';
import type { RetentionPolicy } from './policy.ts';
import type { Dated } from './retention.ts';

interface Context {
  readonly policy: RetentionPolicy;
  readonly proven: ReadonlySet<string>;
  readonly edge: number;
}

export interface WalNeed {
  readonly name: string;
  readonly systemIdentifier: string;
  readonly timeline: number;
  readonly start: bigint;
  /** Null: everything from `start` on. */
  readonly stop: bigint | null;
}

type Keep = (name: string, reason: string) => void;

export interface StayingBase {
  readonly base: Dated;
  /** Whether the WAL that follows it stays with it. */
  readonly follows: boolean;
}

export function basesThatStay(
  bases: readonly Dated[],
  wal: readonly Dated[],
  { policy, proven, edge }: Context,
  keep: Keep,
): StayingBase[] {
  const staying = new Map<string, StayingBase>();
  const stay = (base: Dated | undefined, reason: string, follows: boolean) => {
    if (!base) return;
    const { name } = base.object;
    keep(name, reason);
    staying.set(name, { base, follows: follows || staying.get(name)?.follows === true });
  };
  for (const base of bases) if (base.at >= edge) stay(base, `within ${policy.days} rolling days`, true);
  const before = bases.filter((base) => base.at < edge);
  for (const line of liveLines(bases, wal, edge)) {
    const reaching = before.filter((base) => reaches(base, line));
    const anchor = reaching.findLast((base) => base.inEveryRegion);
    const reason = `the moments since ${new Date(edge).toISOString()} begin with it`;
    for (const base of anchor ? [anchor] : reaching) stay(base, reason, true);
  }
  stay(bases.findLast((base) => base.inEveryRegion) ?? bases.at(-1), 'newest good base', true);
  stay(
    bases.findLast(({ object }) => proven.has(object.name)),
    'last base that a drill restored',
    false,
  );
  return [...staying.values()];
}

export function walNeeds(staying: readonly StayingBase[]): WalNeed[] {
  return staying.map(({ base: { object }, follows }) => {
    const about = object.about as AboutBase;
    const { systemIdentifier, timeline } = about;
    const stop = follows ? null : lsnToNumber(about.stopLsn);
    return { name: object.name, systemIdentifier, timeline, start: lsnToNumber(about.startLsn), stop };
  });
}

interface Line {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** The first position that is known of it. */
  first: bigint;
}

/** The lines that have something in the rolling days, each with its first known position over all time. */
function liveLines(bases: readonly Dated[], wal: readonly Dated[], edge: number): Line[] {
  const lines = new Map<string, Line>();
  const live = new Set<string>();
  for (const { object, at } of [...bases, ...wal]) {
    const { systemIdentifier, timeline, startLsn } = object.about as AboutBase | AboutWal;
    const id = `${systemIdentifier}/${timeline}`;
    if (at >= edge) live.add(id);
    const start = lsnToNumber(startLsn);
    const known = lines.get(id);
    if (!known) lines.set(id, { systemIdentifier, timeline, first: start });
    else if (start < known.first) known.first = start;
  }
  return [...lines].filter(([id]) => live.has(id)).map(([, line]) => line);
}

/** A base of an earlier timeline reaches a later one when it ended before that one began. */
function reaches({ object }: Dated, line: Line): boolean {
  const about = object.about as AboutBase;
  if (about.systemIdentifier !== line.systemIdentifier) return false;
  if (about.timeline === line.timeline) return true;
  return about.timeline < line.timeline && lsnToNumber(about.stopLsn) <= line.first;
}
