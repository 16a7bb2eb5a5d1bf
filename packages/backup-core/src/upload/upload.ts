/**
 * Brings one region what waits for it. Each region has workers of its own, so that one that is down, slow, full or lying holds
 * up nobody else.
 *
 * There are two lanes: an urgent one that sends several small objects at a time, and a bulk one that sends one large object
 * and steps aside, between two parts, while something urgent waits too long. An object that has left this disk is fetched from
 * a region that holds it. What a region cannot do now is tried again later: the whole region rests when it does not answer,
 * one object when only that failed. It gives up nothing, ever, and ends with the signal.
 */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SealedObject } from '../format/object.ts';
import { fetchObject } from '../region/copy.ts';
import { isRegionError, RegionError } from '../region/errors.ts';
import type { Region } from '../region/region.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Lane } from '../spool/priorities.ts';
import type { QueuedObject, Spool } from '../spool/spool.ts';
import type { RegionState } from './region-state.ts';
import { lastingPolicy, retryDelayMs } from './retry-delay.ts';

/** How many are sent at once. */
const workers: Record<Lane, number> = { urgent: 4, bulk: 1 };
/** Small objects are sent from memory: no further one is begun while these are on their way. */
const maxUrgentBytes = 8 * 1024 * 1024;
/** How long something urgent waits before bulk steps aside. */
const yieldAfterMs = 30_000;
const yieldCheckMs = 5_000;
/** What was postponed is looked for again after this. */
const idleMs = 5_000;
/** These are about one object; every other failure is about the region. */
const ofOneObject = ['REGION_LIED', 'REGION_NOT_FOUND', 'FILE_CHANGED'] as const;

export interface UploadEvents {
  stored(region: string, object: SealedObject): void;
  trouble(region: string, error: RegionError): void;
  recovered(region: string): void;
  /** One object could not be brought; it is tried again. */
  failed(region: string, name: string, error: Error): void;
}

export interface UploadOptions {
  readonly region: Region;
  readonly others: readonly Region[];
  readonly spool: Spool;
  readonly state: RegionState;
  readonly clock: Clock;
  readonly random: () => number;
  /** Until when the region is to keep the object from being deleted. */
  readonly lockUntil: (object: SealedObject) => Date | undefined;
  readonly events: UploadEvents;
}

const steppedAside = Symbol('stepped aside');

export async function runUploads(options: UploadOptions, signal: AbortSignal): Promise<void> {
  await mkdir(options.spool.fetching, { recursive: true, mode: 0o700 });
  const lanes = Object.entries(workers) as [Lane, number][];
  await Promise.all(
    lanes.flatMap(([lane, count]) => {
      const sending = { bytes: 0 };
      return Array.from({ length: count }, () => runLane(options, lane, sending, signal));
    }),
  );
}

async function runLane(
  options: UploadOptions,
  lane: Lane,
  sending: { bytes: number },
  signal: AbortSignal,
): Promise<void> {
  const { spool, region, state, clock } = options;
  while (!signal.aborted) {
    const change = spool.nextChange(signal);
    const waitMs = state.waitMs();
    const mayBegin = waitMs === 0 && (lane === 'bulk' ? !isOverdue(options) : sending.bytes < maxUrgentBytes);
    const item = mayBegin ? spool.next(region.name, lane) : null;
    if (item === null) {
      await Promise.race([change.happened, clock.sleep(waitMs || idleMs, change.signal)]);
      change.end();
      continue;
    }
    change.end();
    sending.bytes += item.object.bytes;
    try {
      await (lane === 'bulk' ? bringUnlessOverdue(options, item, signal) : bring(options, item, signal));
    } catch (error) {
      if (signal.aborted || error === steppedAside) continue;
      await giveUpDamaged(options, item, error as Error);
      failed(options, item, error as Error);
    } finally {
      sending.bytes -= item.object.bytes;
      spool.release(region.name, item.object.name);
    }
  }
}

/** Sending is broken off, and goes on where it was once nothing urgent waits. */
async function bringUnlessOverdue(
  options: UploadOptions,
  item: QueuedObject,
  signal: AbortSignal,
): Promise<void> {
  const aside = new AbortController();
  const done = new AbortController();
  const over = AbortSignal.any([done.signal, signal]);
  const watching = (async () => {
    while (!over.aborted && !isOverdue(options)) await options.clock.sleep(yieldCheckMs, over);
    if (!over.aborted) aside.abort(steppedAside);
  })();
  try {
    await bring(options, item, AbortSignal.any([signal, aside.signal]));
  } catch (error) {
    throw aside.signal.aborted && !signal.aborted ? steppedAside : error;
  } finally {
    done.abort();
    await watching;
  }
}

function isOverdue({ spool, region, clock }: UploadOptions): boolean {
  const oldest = spool.oldestWaiting(region.name, 'urgent');
  return oldest !== null && clock.now() - oldest > yieldAfterMs;
}

async function bring(options: UploadOptions, item: QueuedObject, signal: AbortSignal): Promise<void> {
  const { spool, region, state, lockUntil, events } = options;
  const { object } = item;
  const fetched = item.path === null ? await fetchElsewhere(options, object, signal) : null;
  const file = { path: item.path ?? (fetched as string), bytes: object.bytes, sha256: object.sha256 };
  const lock = lockUntil(object);
  const stored = await region.put(object.name, file, {
    signal,
    state: spool.multipartState(region.name, object.name),
    ...(lock && { lockUntil: lock }),
  });
  spool.stored(region.name, object.name, stored);
  if (fetched) await rm(fetched, { force: true });
  if (state.answered()) events.recovered(region.name);
  events.stored(region.name, object);
}

/** From the first region that holds it and gives the right bytes. */
async function fetchElsewhere(
  { spool, region, others }: UploadOptions,
  object: SealedObject,
  signal: AbortSignal,
): Promise<string> {
  const id = createHash('sha256').update(`${region.name} ${object.name}`).digest('hex').slice(0, 32);
  const path = join(spool.fetching, id);
  const holders = new Set(spool.holders(object.name));
  let problem: unknown = null;
  for (const other of others.filter(({ name }) => holders.has(name))) {
    try {
      await fetchObject(other, object, path, signal);
      return path;
    } catch (error) {
      signal.throwIfAborted();
      problem = error;
    }
  }
  throw (
    problem ?? new RegionError('REGION_NOT_FOUND', region.name, `lacks ${object.name}, and no other has it`)
  );
}

/** A file of this disk that is not what was sealed any more is fetched anew where a region has it. */
async function giveUpDamaged(
  { spool }: UploadOptions,
  { object, path }: QueuedObject,
  error: Error,
): Promise<void> {
  const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
  if (path === null || !(isGone || isRegionError(error, 'FILE_CHANGED'))) return;
  spool.note('FILE_CHANGED', object.name, error.message);
  if (spool.holders(object.name).length > 0) await spool.leaveDisk(object.name);
}

function failed(options: UploadOptions, { object, attempts }: QueuedObject, error: Error): void {
  const { spool, region, state, clock, random, events } = options;
  const isOwn = isRegionError(error) && error.region === region.name;
  if (isOwn && !isRegionError(error, ...ofOneObject)) {
    if (state.failed(error)) events.trouble(region.name, error);
    return;
  }
  spool.postpone(region.name, object.name, clock.now() + retryDelayMs(attempts + 1, lastingPolicy, random()));
  if (isOwn && state.failed(error)) events.trouble(region.name, error);
  state.hurry();
  events.failed(region.name, object.name, error);
}
