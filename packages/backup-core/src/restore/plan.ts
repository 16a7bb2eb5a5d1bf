/**
 * What a restore to a target needs: one base, the WAL from its start to the target, the history files of its line. Pure.
 *
 * The line is that of the newest timeline which branches off the base's own at or after its end (or the one asked for). The
 * base is the newest that ended at or before the target; order is by time and position, never by name. The WAL must be
 * without a gap from the base's start up to the first segment that proves to reach the target.
 */
import type { SealedObject } from '../format/object.ts';
import { lsnToNumber } from '../retention/lsn.ts';
import { RestoreError } from './errors.ts';
import { describeMoment, describeTarget, type Target } from './target.ts';
import { liesOn, lineOf, type Stretch } from './timelines.ts';

type Base = SealedObject<'base'>;
export type Wal = SealedObject<'wal'>;
export type History = SealedObject<'history'>;

/** Segments behind the one that reaches a moment: its `closedAt` and the times of commits are read from clocks at different instants. */
const MARGIN = 2;

export interface Archive {
  readonly objects: readonly SealedObject[];
  /** Plain text of the history files, by timeline. */
  readonly histories: ReadonlyMap<number, string>;
}

export interface RestorePlan {
  readonly target: Target;
  readonly base: Base;
  readonly timeline: number;
  /** In order; each with every object that has its content, so that one may stand in for another. */
  readonly segments: readonly { readonly file: string; readonly objects: readonly Wal[] }[];
  readonly histories: readonly History[];
  /** Every commit before `ms` is in the WAL of the plan; its last segment goes from `startLsn` to `lsn`. */
  readonly reach: { readonly ms: number; readonly lsn: string; readonly startLsn: string };
  readonly bytes: { readonly base: number; readonly wal: number };
}

export interface Wishes {
  /** Otherwise the newest that goes through the base. */
  readonly timeline?: number | undefined;
  /** By name; otherwise the newest that precedes the target. */
  readonly base?: string | undefined;
}

export function planRestore(archive: Archive, target: Target, wishes: Wishes = {}): RestorePlan {
  const askedTimeline = wishes.timeline;
  const base = chooseBase(archive, target, wishes);
  const line = chooseLine(archive, base, askedTimeline);
  const timeline = line.at(-1)?.timeline as number;
  const chain = chainFrom(archive, base, line);
  const needed = lastNeeded(chain.segments, base, target, chain.gap);
  const used = chain.segments.slice(0, target.kind === 'time' ? needed + MARGIN : needed);
  const reaching = chain.segments[needed - 1]?.objects[0] as Wal;
  const last = used.at(-1)?.objects[0] as Wal;
  return {
    target,
    base,
    timeline,
    segments: used,
    histories: ofKind(archive.objects, 'history').filter((one) =>
      line.some((stretch) => stretch.timeline === one.about.timeline),
    ),
    reach: { ms: Date.parse(reaching.about.closedAt), lsn: last.about.endLsn, startLsn: last.about.startLsn },
    bytes: { base: base.bytes, wal: used.reduce((sum, { objects }) => sum + (objects[0] as Wal).bytes, 0) },
  };
}

function chooseBase({ objects, histories }: Archive, target: Target, { timeline, base: name }: Wishes): Base {
  const bases = ofKind(objects, 'base').sort(
    (a, b) => Date.parse(a.about.endedAt) - Date.parse(b.about.endedAt),
  );
  const line = timeline === undefined ? null : lineOf(timeline, histories.get(timeline) ?? '');
  const chosen = bases.findLast(
    ({ about, name: own }) =>
      (name === undefined || own === name) &&
      (line === null || liesOn(line, about.timeline, lsnToNumber(about.stopLsn))) &&
      precedes(about, target),
  );
  if (chosen) return chosen;
  if (name !== undefined)
    throw new RestoreError('RESTORE_NO_BASE', `${name} is no base that precedes ${describeTarget(target)}.`);
  const first = bases[0];
  const there = first
    ? `The first one ended at ${describeMoment(Date.parse(first.about.endedAt))}, position ${first.about.stopLsn}.`
    : 'There is no base backup at all.';
  throw new RestoreError('RESTORE_NO_BASE', `No base backup precedes ${describeTarget(target)}. ${there}`);
}

function precedes(about: Base['about'], target: Target): boolean {
  if (target.kind === 'time') return Date.parse(about.endedAt) <= target.ms;
  return target.kind === 'latest' || lsnToNumber(about.stopLsn) <= lsnToNumber(target.lsn);
}

function chooseLine({ objects, histories }: Archive, base: Base, asked?: number): Stretch[] {
  const { timeline, systemIdentifier, stopLsn } = base.about;
  if (asked !== undefined) return lineOf(asked, histories.get(asked) ?? '');
  const later = ofKind(objects, 'history')
    .filter(({ about }) => about.systemIdentifier === systemIdentifier && about.timeline > timeline)
    .sort((a, b) => b.about.timeline - a.about.timeline);
  for (const { about } of later) {
    const text = histories.get(about.timeline);
    const line = text === undefined ? [] : lineOf(about.timeline, text);
    if (liesOn(line, timeline, lsnToNumber(stopLsn))) return line;
  }
  return lineOf(timeline, histories.get(timeline) ?? '');
}

interface Chain {
  readonly segments: { file: string; objects: Wal[]; start: bigint; end: bigint; ms: number }[];
  /** The position that no segment has, when later ones are there. */
  readonly gap: bigint | null;
}

/** The segments from the base's start on, each by the newest timeline of the line that has it, until one is missing. */
function chainFrom({ objects }: Archive, base: Base, line: readonly Stretch[]): Chain {
  const { systemIdentifier, startLsn } = base.about;
  const byStart = new Map<bigint, Wal[]>();
  for (const wal of ofKind(objects, 'wal')) {
    if (wal.about.systemIdentifier !== systemIdentifier) continue;
    const start = lsnToNumber(wal.about.startLsn);
    const end = lsnToNumber(wal.about.endLsn);
    const stretch = line.find(({ timeline }) => timeline === wal.about.timeline);
    if (!stretch || end <= stretch.from || (stretch.to !== null && start >= stretch.to)) continue;
    const there = byStart.get(start);
    const rank = there ? Math.sign(wal.about.timeline - (there[0] as Wal).about.timeline) : 1;
    if (rank > 0) byStart.set(start, [wal]);
    else if (rank === 0) there?.push(wal);
  }
  const segments: Chain['segments'] = [];
  const first = [...byStart.keys()].filter((start) => start <= lsnToNumber(startLsn)).reduce(max, -1n);
  for (let at = first, found = byStart.get(at); found; found = byStart.get(at)) {
    const { about } = found[0] as Wal;
    const end = lsnToNumber(about.endLsn);
    if (segments.length === 0 && end <= lsnToNumber(startLsn)) break;
    segments.push({ file: about.segment, objects: found, start: at, end, ms: Date.parse(about.closedAt) });
    at = end;
  }
  const end = segments.at(-1)?.end ?? lsnToNumber(startLsn);
  const more = [...byStart.keys()].some((start) => start > end);
  return { segments, gap: more ? end : null };
}

/** How many of the segments reach the target. */
function lastNeeded(segments: Chain['segments'], base: Base, target: Target, gap: bigint | null): number {
  const consistent = segments.findIndex(({ end }) => end >= lsnToNumber(base.about.stopLsn));
  const reaches = (one: Chain['segments'][number]) => {
    if (target.kind === 'time') return one.ms >= target.ms;
    return target.kind === 'lsn' && one.end >= lsnToNumber(target.lsn);
  };
  const reaching = segments.findIndex(reaches);
  const found = target.kind === 'latest' && gap === null ? segments.length - 1 : reaching;
  if (consistent >= 0 && found >= 0) return Math.max(found, consistent) + 1;
  if (gap !== null) {
    const position = `${(gap >> 32n).toString(16)}/${(gap & 0xffff_ffffn).toString(16)}`.toUpperCase();
    const message = `The WAL has a gap at ${position}, before ${describeTarget(target)}.`;
    throw new RestoreError('RESTORE_WAL_GAP', message);
  }
  const last = segments.at(-1);
  const how = last
    ? `It goes as far as ${describeMoment(last.ms)}, position ${last.objects[0]?.about.endLsn}.`
    : `The base ${base.name} has no WAL at all.`;
  throw new RestoreError('RESTORE_NOT_REACHED', `The WAL does not reach ${describeTarget(target)}. ${how}`);
}

function ofKind<K extends SealedObject['kind']>(
  objects: readonly SealedObject[],
  kind: K,
): SealedObject<K>[] {
  return objects.filter((one) => one.kind === kind) as unknown as SealedObject<K>[];
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
