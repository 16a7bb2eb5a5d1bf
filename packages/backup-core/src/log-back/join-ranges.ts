/**
 * Joins the ranges of a sync log that the manifest names into one log per epoch: which numbers are there, where they overlap,
 * and where some are missing. Pure; what the lines hold is compared when they are read.
 *
 * A range that was exported twice with the same content is one piece with several objects, each standing in for the others.
 */
import type { SealedObject } from '../format/object.ts';
import { SyncLogError } from './errors.ts';

/** Both ends included. */
export interface Span {
  readonly fromSeq: number;
  readonly toSeq: number;
}

export interface Piece extends Span {
  /** All of the same content. */
  readonly objects: readonly SealedObject<'sync-log'>[];
}

export interface JoinedLog extends Span {
  readonly epoch: string;
  /** By their beginning; none lies wholly before `fromSeq`. */
  readonly pieces: readonly Piece[];
  /** Numbers that no object holds, between those that some do. */
  readonly gaps: readonly Span[];
  /** Numbers that several pieces hold. */
  readonly overlaps: readonly Span[];
  /** When the newest of its objects was sealed. */
  readonly newestAt: string;
}

/** @returns one log per epoch, the newest first. */
export function joinRanges(objects: readonly SealedObject[]): JoinedLog[] {
  const byEpoch = new Map<string, SealedObject<'sync-log'>[]>();
  for (const object of objects) {
    if (object.kind !== 'sync-log') continue;
    const { epoch } = object.about;
    byEpoch.set(epoch, [...(byEpoch.get(epoch) ?? []), object]);
  }
  return [...byEpoch]
    .map(([epoch, its]) => joined(epoch, piecesOf(its)))
    .sort((a, b) => Date.parse(b.newestAt) - Date.parse(a.newestAt));
}

function piecesOf(objects: readonly SealedObject<'sync-log'>[]): Piece[] {
  const pieces = new Map<string, Piece>();
  for (const object of objects) {
    const { fromSeq, toSeq } = object.about;
    const key = `${fromSeq} ${toSeq} ${object.plain.sha256}`;
    const others = pieces.get(key)?.objects ?? [];
    pieces.set(key, { fromSeq, toSeq, objects: [...others, object] });
  }
  return [...pieces.values()].sort((a, b) => a.fromSeq - b.fromSeq || a.toSeq - b.toSeq);
}

function joined(epoch: string, pieces: readonly Piece[]): JoinedLog {
  const first = pieces[0] as Piece;
  const gaps: Span[] = [];
  const overlaps: Span[] = [];
  let end = first.fromSeq - 1;
  for (const { fromSeq, toSeq } of pieces) {
    if (fromSeq > end + 1) gaps.push({ fromSeq: end + 1, toSeq: fromSeq - 1 });
    if (fromSeq <= end) overlaps.push({ fromSeq, toSeq: Math.min(end, toSeq) });
    end = Math.max(end, toSeq);
  }
  const sealed = pieces.flatMap(({ objects }) => objects.map(({ sealedAt }) => sealedAt));
  const newestAt = sealed.reduce((a, b) => (Date.parse(b) > Date.parse(a) ? b : a));
  return { epoch, fromSeq: first.fromSeq, toSeq: end, pieces, gaps, overlaps, newestAt };
}

/** The log that begins with `fromSeq`: what lies before is left out. */
export function beginningWith(log: JoinedLog, fromSeq: number): JoinedLog {
  const pieces = log.pieces.filter(({ toSeq }) => toSeq >= fromSeq);
  if (fromSeq < log.fromSeq || pieces.length === 0)
    throw new SyncLogError(
      'SYNC_LOG_MISSING',
      `The sync log ${log.epoch} holds ${log.fromSeq} to ${log.toSeq}, not ${fromSeq}.`,
    );
  const left = joined(log.epoch, pieces);
  const within = (spans: readonly Span[]) =>
    spans
      .filter(({ toSeq }) => toSeq >= fromSeq)
      .map((span) => ({ fromSeq: Math.max(span.fromSeq, fromSeq), toSeq: span.toSeq }));
  const before = left.fromSeq > fromSeq ? [{ fromSeq, toSeq: left.fromSeq - 1 }] : [];
  return { ...left, fromSeq, gaps: [...before, ...within(left.gaps)], overlaps: within(left.overlaps) };
}

/** @throws SyncLogError SYNC_LOG_MISSING */
export function chooseEpoch(logs: readonly JoinedLog[], epoch: string | undefined): JoinedLog {
  const log = epoch === undefined ? logs[0] : logs.find((one) => one.epoch === epoch);
  if (log) return log;
  const there = logs.map((one) => `${one.epoch} (${describeSpan(one)})`).join(', ');
  throw new SyncLogError(
    'SYNC_LOG_MISSING',
    epoch === undefined || !there
      ? 'The regions hold no sync log.'
      : `There is no sync log of the epoch ${epoch}, but of ${there}.`,
  );
}

/** @throws SyncLogError SYNC_LOG_GAP that names every gap, and where what follows begins. */
export function requireWhole(log: JoinedLog): void {
  const last = log.gaps.at(-1);
  if (!last) return;
  throw new SyncLogError(
    'SYNC_LOG_GAP',
    `The sync log ${log.epoch}, ${describeSpan(log)}, lacks ${log.gaps.map(describeSpan).join(', ')}; it is whole from ${last.toSeq + 1} on.`,
  );
}

export function describeSpan({ fromSeq, toSeq }: Span): string {
  return fromSeq === toSeq ? String(fromSeq) : `${fromSeq}–${toSeq}`;
}
