/**
 * Makes what is due: dumps and bases one at a time, the sync log and checkpoints beside them. What fails is tried again after
 * a while, longer each time; what there is no room for is put off, and said so. A person may ask for each at once.
 */
import type { AboutByKind, SealedObject } from '../format/object.ts';
import type { ManifestWriter } from '../manifest/manifest-writer.ts';
import type { Clock } from '../schedule/clock.ts';
import { due, type Job, type LastRuns, type SchedulePolicy } from '../schedule/schedule.ts';
import { takeBaseBackup } from '../source/base-backup.ts';
import { takeDump } from '../source/dump.ts';
import type { Taken } from '../source/source.ts';
import { nextRange, type SyncLogCursor, type SyncLogSource, takeSyncLog } from '../source/sync-log.ts';
import type { Spool } from '../spool/spool.ts';
import { retryDelayMs } from '../upload/retry-delay.ts';
import { BackupError } from './errors.ts';
import type { Room } from './room.ts';
import { type Sealing, sealIntoSpool } from './sealing.ts';

/** A source that says nothing for this long is given up. */
const stallMs = 10 * 60_000;
const lookMs = 5_000;
const retryPolicy = { firstMs: 60_000, mostMs: 30 * 60_000 };

const lanes: readonly (readonly Job[])[] = [['base', 'dump'], ['sync-log'], ['checkpoint']];

export interface JobsOptions {
  readonly sealing: Sealing;
  readonly spool: Spool;
  readonly writer: ManifestWriter;
  readonly room: Room;
  readonly clock: Clock;
  readonly random: () => number;
  readonly schedule: SchedulePolicy;
  readonly postgres: PostgresSource;
  readonly syncLog: SyncLogSource | null;
}

export interface PostgresSource {
  /** Superuser, or a role that may replicate and read everything. */
  readonly url: string;
  /** Where `<major>/bin` is; Debian's place when not given. */
  readonly programsRoot?: string;
  /** Single values that a drill compares as well: name → SQL. */
  readonly totals?: Readonly<Record<string, string>>;
}

export interface JobState {
  readonly lastAt: number | null;
  readonly running: boolean;
  readonly error: { readonly message: string; readonly at: number } | null;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #failures = new Map<Job, { count: number; notBefore: number; message: string; at: number }>();
  readonly #running = new Map<Job, Promise<unknown>>();
  #heavy: Promise<unknown> = Promise.resolve();

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(lanes.map((lane) => this.#runLane(lane, signal)));
  }

  last(): LastRuns {
    const at = (job: Job) => {
      const text = this.#options.spool.fact(`last:${job}`);
      return text === null ? null : Number(text);
    };
    return { dump: at('dump'), base: at('base'), checkpoint: at('checkpoint'), 'sync-log': at('sync-log') };
  }

  state(job: Job): JobState {
    const failure = this.#failures.get(job);
    return {
      lastAt: this.last()[job],
      running: this.#running.has(job),
      error: failure ? { message: failure.message, at: failure.at } : null,
    };
  }

  /** Waits for one that runs already, and is then that one. */
  async now(job: Job, why: string, signal: AbortSignal): Promise<void> {
    const running = this.#running.get(job);
    if (running) {
      await running;
      return;
    }
    const work = this.#make(job, why, signal).finally(() => this.#running.delete(job));
    this.#running.set(job, work);
    await work;
  }

  async #runLane(jobs: readonly Job[], signal: AbortSignal): Promise<void> {
    const { clock, schedule, syncLog } = this.#options;
    while (!signal.aborted) {
      const now = clock.now();
      const isReady = (job: Job) =>
        jobs.includes(job) &&
        (job !== 'sync-log' || syncLog !== null) &&
        !this.#running.has(job) &&
        (this.#failures.get(job)?.notBefore ?? 0) <= now;
      const next = due(now, this.last(), schedule).find(({ job }) => isReady(job));
      if (next) await this.now(next.job, next.why, signal).catch(() => undefined);
      else await clock.sleep(lookMs, signal);
    }
  }

  async #make(job: Job, why: string, signal: AbortSignal): Promise<void> {
    const { clock, spool, sealing, random } = this.#options;
    const begunAt = clock.now();
    sealing.tell({ event: 'job-begun', job, why });
    try {
      await this.#take(job, signal);
      spool.setFact(`last:${job}`, String(begunAt));
      this.#failures.delete(job);
      sealing.tell({ event: 'job-done', job, tookMs: clock.now() - begunAt });
    } catch (error) {
      signal.throwIfAborted();
      const count = (this.#failures.get(job)?.count ?? 0) + 1;
      const at = clock.now();
      const notBefore = at + retryDelayMs(count, retryPolicy, random());
      this.#failures.set(job, { count, notBefore, message: (error as Error).message, at });
      if (error instanceof BackupError && error.code === 'BACKUP_NO_ROOM')
        sealing.tell({ event: 'job-put-off', job, why: error.message });
      else sealing.tell({ event: 'job-failed', job, error: error as Error });
      throw error;
    }
  }

  async #take(job: Job, signal: AbortSignal): Promise<void> {
    if (job === 'checkpoint') await this.#options.writer.append({ checkpoint: true });
    else if (job === 'sync-log') await this.#takeSyncLog(signal);
    else await this.#inTurn(() => this.#takeHeavy(job, signal));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#heavy.then(work);
    this.#heavy = done.catch(() => undefined);
    return done;
  }

  async #takeHeavy(kind: 'dump' | 'base', signal: AbortSignal): Promise<SealedObject> {
    const { postgres, room, clock } = this.#options;
    signal.throwIfAborted();
    await room.makeRoom();
    const { level } = room.figures();
    if (level === 'tight' || level === 'full')
      throw new BackupError('BACKUP_NO_ROOM', `No ${kind} is begun, since the spool is ${level}.`);
    const what = new Date(clock.now());
    const taken = await (kind === 'dump' ? takeDump : takeBaseBackup)({ ...postgres, stallMs, signal });
    return await this.#seal(taken as Taken<'dump' | 'base'>, what, signal);
  }

  async #seal<K extends keyof AboutByKind>(
    taken: Taken<K>,
    what: Date,
    signal: AbortSignal,
    facts: Record<string, string> = {},
  ): Promise<SealedObject<K>> {
    const { kind, stream, elsewhere } = taken;
    const bytes = elsewhere ?? stream;
    const toSeal = { kind, what, bytes, about: () => taken.about(), addedWith: { facts } };
    try {
      return await sealIntoSpool<K>(this.#options.sealing, toSeal, signal);
    } finally {
      stream.destroy();
    }
  }

  /** Range after range, until nothing is new; the cursor moves together with each object. */
  async #takeSyncLog(signal: AbortSignal): Promise<void> {
    const { syncLog, spool, sealing, clock } = this.#options;
    if (syncLog === null) return;
    for (;;) {
      signal.throwIfAborted();
      const text = spool.fact('sync-log-cursor');
      const range = nextRange(syncLog, text === null ? null : (JSON.parse(text) as SyncLogCursor));
      if (range === null) return;
      if (range.missed) sealing.tell({ event: 'sync-log-missed', ...range.missed });
      const { about } = range;
      const cursor = JSON.stringify({ epoch: about.epoch, seq: about.toSeq });
      await this.#seal(takeSyncLog(syncLog, about), new Date(clock.now()), signal, {
        'sync-log-cursor': cursor,
      });
    }
  }
}
