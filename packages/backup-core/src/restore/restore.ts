/**
 * From two buckets to a running Postgres at a moment.
 *
 * In order: plan from the verified manifest (refusing what cannot be reached before anything is fetched); make the folder;
 * fetch the base and, meanwhile, the first of the WAL; unpack; hold the base against Postgres's own backup manifest; start the
 * server of the same major version, which replays and promotes itself; prove where it stopped.
 *
 * A restore that is given up leaves an empty place, except where the server itself failed: then its files and its log stay
 * for a person to read. It writes to no region and to no other database.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SealedObject } from '../format/object.ts';
import { RestoreError } from './errors.ts';
import { makeFolders } from './folder.ts';
import { type Reader, readObject } from './objects.ts';
import { type Archive, planRestore, type RestorePlan } from './plan.ts';
import { serverOwner } from './postgres/owner.ts';
import { findPrograms, majorOfVersion } from './postgres/programs.ts';
import type { Server } from './postgres/server.ts';
import { type Progress, ProgressTeller } from './progress.ts';
import { type Reached, recover } from './recover.ts';
import { serveWal } from './serve-wal.ts';
import type { Target } from './target.ts';
import { unpackBase } from './unpack-base.ts';

export interface RestoreOptions {
  /** The live objects of a manifest that was verified. */
  readonly objects: readonly SealedObject[];
  readonly reader: Reader;
  readonly target: Target;
  readonly timeline?: number | undefined;
  /** Name of a base, when the newest that precedes the target cannot be used. */
  readonly base?: string | undefined;
  readonly to: string;
  readonly port?: number | undefined;
  /** The superuser of the cluster. */
  readonly user?: string | undefined;
  /** Settings of postgresql.conf for this run, such as fsync=off for a scratch server. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  onPlan?(plan: RestorePlan): void;
  onProgress?(progress: Progress): void;
}

export interface Restored {
  readonly plan: RestorePlan;
  readonly server: Server;
  readonly reached: Reached;
  readonly tookMs: number;
}

export async function restore(options: RestoreOptions): Promise<Restored> {
  const begun = options.nowMs();
  const plan = await planFor(options);
  options.onPlan?.(plan);
  const owner = serverOwner();
  const programs = findPrograms(majorOfVersion(plan.base.about.serverVersion));
  const folders = await makeFolders(options.to, plan.base.plain.bytes, owner);
  const tell = new ProgressTeller(options.onProgress ?? (() => undefined), options.nowMs);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const { reader } = options;
  let segments = 0;
  const wal = join(folders.work, 'wal');
  try {
    const service = await serveWal({
      folder: wal,
      files: { segments: plan.segments, histories: historyFiles(options.objects, plan) },
      reader,
      owner,
      signal,
      onSegment: () => {
        segments++;
      },
    });
    let fetched = 0;
    const onBytes = (bytes: number) => {
      fetched += bytes;
      tell.at('base', Math.min(fetched, plan.bytes.base), plan.bytes.base, 'bytes');
    };
    const onVerify = () => {
      service.baseIsThere();
      tell.at('verify', 0, 1, 'bytes');
    };
    await unpackBase({
      base: plan.base,
      into: folders.data,
      reader,
      programs,
      owner,
      signal,
      onBytes,
      onVerify,
    });
    const { server, reached } = await recover({
      plan,
      programs,
      owner,
      dataDir: folders.data,
      logFile: join(folders.work, 'postgres.log'),
      restoreCommand: service.command,
      port: options.port,
      user: options.user ?? 'postgres',
      settings: options.settings ?? {},
      signal,
      onWait: () => tell.at('replay', segments, plan.segments.length + 1, 'segments'),
    }).catch(async (error: unknown) => {
      stop.abort();
      await service.done.catch((cause: unknown) => {
        if (cause instanceof RestoreError) throw cause;
      });
      throw error;
    });
    stop.abort();
    await service.done.catch(() => undefined);
    await rm(wal, { recursive: true, force: true });
    tell.at('ready', 1, 1, 'segments');
    return { plan, server, reached, tookMs: options.nowMs() - begun };
  } catch (error) {
    stop.abort();
    if (!isForAPerson(error)) await folders.discard();
    throw error;
  }
}

/** The server's own files and log say more than we can. */
function isForAPerson(error: unknown): boolean {
  const code = error instanceof RestoreError ? error.code : '';
  return code === 'RESTORE_POSTGRES_FAILED' || code === 'RESTORE_TARGET_MISSED';
}

/** The plan alone, for a person to look at first. */
export async function planFor(
  options: Pick<RestoreOptions, 'objects' | 'reader' | 'target' | 'timeline' | 'base'>,
): Promise<RestorePlan> {
  const histories = new Map<number, string>();
  for (const object of options.objects) {
    if (object.kind !== 'history' || histories.has(object.about.timeline)) continue;
    histories.set(object.about.timeline, await readObject([object], options.reader, (plain) => text(plain)));
  }
  const archive: Archive = { objects: options.objects, histories };
  return planRestore(archive, options.target, options);
}

/** All of the server's histories, also those of branches beside the line: a promoted server takes a number that none has. */
function historyFiles(objects: readonly SealedObject[], plan: RestorePlan) {
  const files = new Map<string, SealedObject>();
  for (const object of objects) {
    if (object.kind !== 'history' || object.about.systemIdentifier !== plan.base.about.systemIdentifier)
      continue;
    files.set(object.about.file, object);
  }
  return [...files].map(([file, object]) => ({ file, object }));
}
