/**
 * What happens as the disk of the spool fills, as a pure function with reasons.
 *
 *   roomy  everything goes on.
 *   warn   from `warnAt` on: the operator is told.
 *   tight  from `tightAt` on: no base backup and no dump is begun. Dumps that nobody holds give way to a newer one, with a
 *          record. Dumps, bases and sync logs that a region holds leave this disk: the other region fetches them from there.
 *   full   from where the next WAL file would not fit below `fullAt`: WAL that a region holds leaves this disk in the same way. When
 *          that does not help, the archive says no: Postgres keeps its WAL, and the operator is alarmed. WAL that no region holds
 *          is never given up.
 */
import type { ObjectKind } from '../format/object.ts';

export interface SpoolLimits {
  /** Of everything in the spool. */
  readonly maxBytes: number;
  /** Of the disk, that is left for others. */
  readonly reserveBytes: number;
  readonly warnAt: number;
  readonly tightAt: number;
  readonly fullAt: number;
}

const GIB = 1024 ** 3;

export const usualLimits: SpoolLimits = {
  maxBytes: 20 * GIB,
  reserveBytes: 2 * GIB,
  warnAt: 0.6,
  tightAt: 0.8,
  fullAt: 1,
};

export type SpoolLevel = 'roomy' | 'warn' | 'tight' | 'full';

export interface SpoolUsage {
  /** Sealed and plain, of this spool. */
  readonly bytes: number;
  readonly diskFreeBytes: number;
  /** Of the next WAL file: room that is left, and too small for it, is none. */
  readonly nextWalBytes: number;
}

/** What the spool may hold altogether as things stand. */
export function capacity(usage: SpoolUsage, limits: SpoolLimits): number {
  const byDisk = usage.bytes + usage.diskFreeBytes - limits.reserveBytes;
  return Math.max(0, Math.min(limits.maxBytes, byDisk));
}

export function levelOf(usage: SpoolUsage, limits: SpoolLimits): SpoolLevel {
  const room = capacity(usage, limits);
  if (usage.bytes + usage.nextWalBytes >= room * limits.fullAt) return 'full';
  if (usage.bytes >= room * limits.tightAt) return 'tight';
  return usage.bytes >= room * limits.warnAt ? 'warn' : 'roomy';
}

/** An object on this disk. */
export interface SpooledObject {
  readonly name: string;
  readonly kind: ObjectKind;
  readonly bytes: number;
  readonly sealedAt: number;
  /** Regions that hold it and whose manifest names it. */
  readonly heldBy: number;
  /** Regions that hold it, or have begun to. */
  readonly begunBy: number;
}

export interface GivenUp {
  readonly name: string;
  /** `drop`: it is gone. `leave`: a region holds it, and others fetch it from there. */
  readonly how: 'drop' | 'leave';
  readonly reason: string;
}

/** What to give up until the spool is no longer tight, in this order. */
export function giveUp(objects: readonly SpooledObject[], usage: SpoolUsage, limits: SpoolLimits): GivenUp[] {
  const room = capacity(usage, limits);
  let bytes = usage.bytes;
  const given: GivenUp[] = [];
  const give = (candidates: SpooledObject[], below: number, how: GivenUp['how'], reason: string) => {
    for (const { name, bytes: freed } of candidates) {
      if (bytes < below) return;
      given.push({ name, how, reason });
      bytes -= freed;
    }
  };
  const tight = room * limits.tightAt;
  const full = room * limits.fullAt - usage.nextWalBytes;
  const oldestFirst = objects.toSorted((a, b) => a.sealedAt - b.sealedAt);
  const newestDump = oldestFirst.findLast(({ kind }) => kind === 'dump');
  const superseded = oldestFirst.filter(
    (one) => one.kind === 'dump' && one !== newestDump && one.begunBy === 0,
  );
  give(
    superseded,
    Math.min(tight, full),
    'drop',
    'no room, and a newer dump waits that no region had before it either',
  );
  const held = oldestFirst.filter(({ heldBy }) => heldBy > 0);
  const isWal = ({ kind }: SpooledObject) => kind === 'wal' || kind === 'history';
  const fetched = 'no room, and a region holds it: the others fetch it from there';
  give(
    held.filter((one) => !isWal(one)),
    Math.min(tight, full),
    'leave',
    fetched,
  );
  give(held.filter(isWal), full, 'leave', fetched);
  return given;
}
