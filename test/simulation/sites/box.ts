/**
 * A box: the engine's own sync log, draining and follower over a campus's model database, joined as `campus-sync.ts` joins them.
 * Its process may be killed at any effect; what the next one finds is the database, the log's file, and the relay's word.
 */
import type { BatchHeader, Catalog, Row } from '@skooly-edge/sync-protocol';
import type Sqlite from 'better-sqlite3';
import type { CampusStore } from '../../../apps/appliance/src/pull/campus-store.ts';
import { EntryOrder } from '../../../apps/appliance/src/pull/entry-order.ts';
import { Follower, type OwnLog } from '../../../apps/appliance/src/pull/follower.ts';
import { addPiece, type Piece, readPiece } from '../../../apps/appliance/src/pull/pieces.ts';
import { BatchSize } from '../../../apps/appliance/src/push/batch-size.ts';
import { drain } from '../../../apps/appliance/src/push/drain.ts';
import { ReadyRuns } from '../../../apps/appliance/src/push/ready-runs.ts';
import { returnedLines } from '../../../apps/appliance/src/relay-client/relay-client.ts';
import {
  type FollowedFeed,
  type GivingRelay,
  giveBack,
} from '../../../apps/appliance/src/restore/give-back.ts';
import { CloudRestoredError } from '../../../apps/appliance/src/restore/restore.ts';
import { type Settling, SyncLog } from '../../../apps/appliance/src/sync-log/sync-log.ts';
import { RelayError } from '../../../apps/cloud-relay/src/errors.ts';
import type { Database } from '../database/database.ts';
import { inTransaction } from '../database/session.ts';
import type { Chance } from '../world/chance.ts';
import { isNetworkTrouble, type Line } from '../world/network.ts';
import { Process, TimeoutError } from '../world/process.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { ModelCampus } from './campus-store.ts';
import { type CaptureSink, isDatabaseTrouble, ModelCapture } from './capture.ts';
import { isRestartable } from './cloud-store.ts';
import { isApply, theOne } from './engine-tables.ts';
import { modelDisk } from './model-disk.ts';
import type { Relay, SyncAnswer } from './relay.ts';

export interface BoxOptions {
  campus: string;
  database: Database;
  /** The log's file: what is in it survives the process. */
  logFile: Sqlite.Database;
  logEpoch: string;
  relay: Relay;
  line: Line;
  catalog: Catalog;
  scheduler: Scheduler;
  chance: Chance;
  /** When the log brings up to date what it touched, and how much of it. */
  quietChance: Chance;
  wrap: BoxWrap;
  /** Of one part of a large transaction. */
  maxPartChanges: number;
  onDrift(table: string, key: Row, seq: number): void;
}

/** Where a deliberate bug can be put in without touching the engine. */
export interface BoxWrap {
  sink(log: SyncLog): CaptureSink;
  disk(disk: Settling): Settling;
  store(store: CampusStore, process: Process, database: Database): CampusStore;
  ownLog(log: SyncLog, database: Database): OwnLog;
  captured(captured: () => Promise<void>): () => Promise<void>;
  isApply(origin: string): boolean;
  /** Whether transactions say when they were committed, whatever the clock shows. */
  stamps: boolean;
}

export const soundBox: BoxWrap = {
  sink: (log) => log,
  disk: (disk) => disk,
  store: (store) => store,
  ownLog: (log) => log,
  captured: (captured) => captured,
  isApply,
  stamps: true,
};

/** So few that what was touched lies in many. */
const touchStretch = 5;

const minRetryDelayUs = 250_000;
const maxRetryDelayUs = 4_000_000;
const never = new AbortController().signal;

const boot = 'one';
const bootUs = 1_795_400_000_000_000;
const bootTime = { base: bootUs, earliest: bootUs, latest: bootUs };

/** Batches large and small, several on their way at once: so there are many, and they come out of order. */
class UnevenBatches extends BatchSize {
  readonly #chance: Chance;

  constructor(chance: Chance) {
    super();
    this.#chance = chance;
  }

  override get bytes(): number {
    return this.#chance.happens(0.5) ? super.bytes : this.#chance.between(200, 4_000);
  }

  override get onTheWay(): number {
    return this.#chance.between(1, 3) * 4_000;
  }
}

export class Box {
  readonly options: BoxOptions;
  #process: Process | null = null;
  #log: SyncLog | null = null;
  #follower: Follower | null = null;
  #capture: ModelCapture | null = null;
  #restored: PromiseWithResolvers<void> = Promise.withResolvers();
  #wakePush: () => void = () => {};
  #attempt = new AbortController();
  #lives = 0;

  constructor(options: BoxOptions) {
    this.options = options;
  }

  get running(): boolean {
    return this.#process?.alive ?? false;
  }

  get process(): Process | null {
    return this.#process;
  }

  get log(): SyncLog {
    if (!this.#log) throw new Error('the box has not been started');
    return this.#log;
  }

  /** Entries of the feed that wait. */
  get parked(): number {
    return this.#follower?.parked ?? 0;
  }

  get capturedLsn(): number {
    return this.#capture?.durable ?? 0;
  }

  /** Does nothing while it runs. */
  start(): void {
    if (this.running) return;
    const { campus, database, scheduler, chance, catalog, wrap, logFile, logEpoch, maxPartChanges, onDrift } =
      this.options;
    const process = new Process(`${campus} ${++this.#lives}`, scheduler, chance);
    this.#process = process;
    const now = () => Math.floor(scheduler.nowUs / 1000);
    const log = new SyncLog(logFile, wrap.isApply, {
      now,
      newEpoch: () => logEpoch,
      walSync: wrap.disk(modelDisk(process, chance, logFile)),
      touchStretch,
      ...(wrap.stamps && { stamp: (committedAt: number) => stampOf(database, committedAt) }),
    });
    this.#log = log;
    const capture = new ModelCapture({
      process,
      database,
      scheduler,
      chance,
      sink: wrap.sink(log),
      skipOrigin: wrap.isApply,
      maxPartChanges,
    });
    this.#capture = capture;
    const follower = new Follower({
      store: wrap.store(new ModelCampus(process, database, catalog), process, database),
      log: wrap.ownLog(log, database),
      captured: wrap.captured(() => capture.passed()),
      onDrift,
    });
    this.#follower = follower;
    void capture.run();
    void this.#retryWaiting(follower);
    void this.#mend(process, log, follower);
    void this.#push(process, log, follower);
    void this.#pull(process, log, follower);
    void this.#keepTouches(process, log);
  }

  /** In moments and slices of any kind: what the follower hears must not depend on them. */
  async #keepTouches(process: Process, log: SyncLog): Promise<void> {
    const { quietChance: chance } = this.options;
    for (;;) {
      await process.sleep(chance.between(0, maxRetryDelayUs));
      log.touchSlice(chance.between(1, 4_000), chance.between(1, 20));
    }
  }

  async #retryWaiting(follower: Follower): Promise<void> {
    await follower.retry(never).catch((error) => this.#tolerate(error));
  }

  async #push(process: Process, log: SyncLog, follower: Follower): Promise<void> {
    const { relay, line, campus, scheduler } = this.options;
    const batchSize = new UnevenBatches(this.options.chance);
    let wake: PromiseWithResolvers<void> = Promise.withResolvers();
    let failures = 0;
    this.#wakePush = () => wake.resolve();
    log.onAppend(() => {
      if (failures === 0) wake.resolve();
    });
    const target = {
      sync: (epoch: string) => this.#position(process, log, epoch),
      pack: async (lines: readonly string[]) => lines,
      push: (header: BatchHeader, packed: readonly (readonly string[])[]) =>
        line.request(process, () => relay.push(campus, header, packed.flat())),
    };
    const ready = new ReadyRuns<readonly string[]>(log, target.pack);
    for (;;) {
      wake = Promise.withResolvers();
      this.#attempt = new AbortController();
      const { signal } = this.#attempt;
      try {
        await process.step();
        await drain(
          {
            log,
            relay: target,
            ready,
            batchSize,
            boots: async () => ({ [boot]: bootTime }),
            monotonicMs: () => scheduler.nowUs / 1000,
            onAnswer: () => {
              if (follower.parked > 0) void this.#retryWaiting(follower);
            },
          },
          signal,
        );
        failures = 0;
        if (log.lastSeq === log.acknowledged) await process.see(wake.promise);
      } catch (error) {
        this.#tolerate(error);
        failures++;
        await process.sleep(this.#retryDelayUs(failures));
      }
    }
  }

  async #pull(process: Process, log: SyncLog, follower: Follower): Promise<void> {
    const { relay, line, campus, chance } = this.options;
    for (let failures = 0; ; ) {
      try {
        const position = await this.#position(process, log, log.epoch);
        const order = new EntryOrder((await this.#readCursor(process)).seq);
        for (let offset = order.applied; ; ) {
          // Now and then an earlier part of the feed is asked for again, and what comes is not in order.
          const from = chance.happens(0.1) ? Math.max(0, offset - chance.between(1, 4)) : offset;
          const blocks = chance.happens(0.5);
          const answer = await line.request(process, () => relay.feed(campus, from, blocks));
          // A shape of another epoch begins anew.
          if (answer.epoch !== position.epoch) throw new CloudRestoredError('The shape begins anew.');
          const pieces = answer.pieces.map(readPiece);
          await log.keepReceived(pieces.map(({ received }) => received));
          offset = Math.max(offset, pieces.at(-1)?.group.heads.at(-1)?.seq ?? 0);
          await this.#receive(process, order, pieces, follower);
          failures = 0;
        }
      } catch (error) {
        this.#tolerate(error);
        failures++;
      }
      await process.sleep(this.#retryDelayUs(failures));
    }
  }

  async #receive(process: Process, order: EntryOrder, pieces: Piece[], follower: Follower): Promise<void> {
    const { chance } = this.options;
    const chunks = chance.happens(0.2) ? chance.shuffled(pieces).map((piece) => [piece]) : [pieces];
    for (const chunk of chunks) {
      for (const piece of chunk) addPiece(order, piece);
      for (let groups = order.nextGroups(); groups.length > 0; groups = order.nextGroups()) {
        await process.step();
        await follower.apply(groups, never);
        order.done(groups);
      }
    }
  }

  /** Where the campus stands; while the cloud is another one than it follows, push and pull wait. @throws CloudRestoredError */
  async #position(process: Process, log: SyncLog, epoch: string): Promise<SyncAnswer> {
    const { relay, line, campus } = this.options;
    const answer = await line.request(process, () => relay.sync(campus, epoch));
    const followed = await this.#readCursor(process);
    if (answer.epoch !== followed.epoch) {
      this.#restored.resolve();
      throw new CloudRestoredError('The cloud was restored.');
    }
    if (answer.cursor.seq < log.acknowledged) throw new CloudRestoredError('The cloud stands behind.');
    return answer;
  }

  /** Gives back what a restored cloud has lost, as `restore.ts` does. */
  async #mend(process: Process, log: SyncLog, follower: Follower): Promise<void> {
    const { relay, line, campus } = this.options;
    this.#restored = Promise.withResolvers();
    const asked: GivingRelay = {
      sync: (epoch) => line.request(process, () => relay.sync(campus, epoch)),
      pack: async (lines) => lines.map((text) => Buffer.from(text)),
      push: (header, packed) =>
        line.request(process, () => relay.push(campus, header, packed.flat().map(String))),
      restorePoint: (epochs) => line.request(process, () => relay.restorePoint(campus, epochs)),
      giveBack: (epoch, entries) =>
        line.request(process, () => relay.giveBack(campus, epoch, returnedLines(entries))),
    };
    for (;;) {
      await process.see(this.#restored.promise);
      this.#restored = Promise.withResolvers();
      for (let mended = false; !mended; ) {
        try {
          this.#attempt.abort(new CloudRestoredError('The cloud was restored.'));
          await giveBack(
            {
              log,
              relay: asked,
              cursor: () => this.#readCursor(process),
              switchEpoch: (from, epoch, forkSeq) => follower.switchEpoch(from, epoch, forkSeq, never),
              header: async () => ({ epoch: log.epoch, boots: { [boot]: bootTime } }),
            },
            never,
          );
          mended = true;
          this.#wakePush();
        } catch (error) {
          this.#tolerate(error);
          await process.sleep(minRetryDelayUs);
        }
      }
    }
  }

  #readCursor(process: Process): Promise<FollowedFeed> {
    return inTransaction(process, this.options.database, (session) =>
      session.run((transaction) => {
        const row = transaction.read('sync.cursor', [theOne])[0]?.row ?? {};
        return {
          epoch: row.epoch ?? '',
          seq: Number(row.seq ?? 0),
          followed: JSON.parse(row.followed ?? '[]'),
        };
      }),
    );
  }

  /** Trouble that the engine has to live with; anything else ends the simulation. */
  #tolerate(error: unknown): void {
    const isTrouble =
      isNetworkTrouble(error) ||
      isDatabaseTrouble(error) ||
      isRestartable(error) ||
      error instanceof TimeoutError ||
      error instanceof CloudRestoredError ||
      (error as Error).message?.includes('another epoch of the cloud') ||
      error instanceof RelayError;
    if (!isTrouble) this.options.scheduler.fail(error);
  }

  #retryDelayUs(failures: number): number {
    const ceiling = Math.min(maxRetryDelayUs, minRetryDelayUs * 2 ** failures);
    return minRetryDelayUs + this.options.chance.fraction() * (ceiling - minRetryDelayUs);
  }
}

/** What the box's clock learns from its exchanges with the cloud, taken as learnt exactly. */
function stampOf({ trueTimes }: Database, committedAt: number): { boot: string; mono: number } {
  return { boot, mono: (trueTimes.get(committedAt) ?? committedAt) - bootUs };
}
