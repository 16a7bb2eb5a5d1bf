/**
 * Push drains the sync log into the relay: asks for the cursor, sends what follows it in batches, notes what is
 * acknowledged. Small batches that make progress on a bad link: the size follows what the link carried last.
 *
 * It does not decide whether there is a link: it tries, and waits longer after each failure, unless it is woken.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BootTimes } from '@skooly-edge/sync-protocol';
import type { Logger } from 'pino';

import { RelayRefusal } from '../relay-client/relay-fetch.ts';
import type { SyncLog } from '../sync-log/sync-log.ts';
import { BatchSize } from './batch-size.ts';
import { drain, type PushAnswer, type PushTarget } from './drain.ts';
import { ReadyRuns } from './ready-runs.ts';

const minRetryDelayMs = 250;
const maxRetryDelayMs = 15_000;

/** Without an answer for so long, an attempt may hang on a connection that died with the link. Lost packets hold one up for less. */
const hangsAfterMs = 4_000;

/** On a connection that lives, what was under way has arrived by then, and its answer is back, though a packet was lost. */
const arrivesWithinMs = 2_000;

/** Without a new transaction for so long, nobody needs the processor for writing. */
const quietMs = 1_000;

/** How often it is looked whether enough was written to make some of it ready. */
const readyIntervalMs = 250;

export interface PushState {
  lastPushAt: Date | null;
  /** Transactions of this campus that wait parked in the cloud, as last heard. */
  parkedInCloud: number;
  lastError: string | null;
}

export interface PushOptions {
  log: SyncLog;
  relay: PushTarget;
  /** Asks for the cursor apart from what may hang. */
  position(signal: AbortSignal): Promise<PushAnswer>;
  logger: Logger;
  random(): number;
  /** The cloud has said how far this campus's transactions are judged. */
  onAcknowledged(): void;
  /** What is known of these boots. */
  boots?(named: ReadonlySet<string>): Promise<BootTimes>;
}

export class Push {
  readonly #options: PushOptions;
  readonly #batchSize = new BatchSize();
  readonly #ready: ReadyRuns<Buffer[]>;
  readonly state: PushState = { lastPushAt: null, parkedInCloud: 0, lastError: null };
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #attempt = new AbortController();
  /** The attempt that waits for answers. */
  #drains: AbortController | null = null;
  /** When the attempt began or was last answered, by the monotonic clock. */
  #aliveAtMs = 0;
  /** What was heard when the last attempt was given up. */
  #position: PushAnswer | null = null;
  #appendedAtMs = 0;
  #acknowledged: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: PushOptions) {
    this.#options = options;
    this.#ready = new ReadyRuns(options.log, (lines) => options.relay.pack(lines));
  }

  /** Ends a wait. */
  wake(): void {
    this.#wake.resolve();
  }

  /**
   * The link is back: no wait goes on. What was on its way when the line went dead may still arrive, or hang on a connection that died
   * with it: the cursor is asked for apart from it, and what stays without an answer meanwhile is given up.
   */
  restart(): void {
    void this.#replaceIfDead();
    this.wake();
  }

  async #replaceIfDead(): Promise<void> {
    const [attempt, aliveAtMs] = [this.#attempt, this.#aliveAtMs];
    const isSilent = () =>
      this.#drains === attempt && this.#aliveAtMs === aliveAtMs && !attempt.signal.aborted;
    try {
      const silentMs = performance.now() - aliveAtMs;
      await sleep(Math.max(0, hangsAfterMs - silentMs), undefined, { signal: attempt.signal });
      if (!isSilent()) return;
      const [position] = await Promise.all([
        this.#options.position(attempt.signal),
        sleep(arrivesWithinMs, undefined, { signal: attempt.signal }),
      ]);
      if (!isSilent()) return;
      this.#position = position;
      attempt.abort(new Error('the link is back'));
    } catch {
      // The link is gone again, or the relay does not answer: the attempt learns of it by itself.
    }
  }

  /** Whatever is on its way is given up. */
  abort(reason: string): void {
    this.#attempt.abort(new Error(reason));
  }

  /** Resolves when everything up to `seq` is acknowledged by the cloud. */
  async acknowledged(seq: number, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    aborted.catch(() => {});
    while (this.#options.log.acknowledged < seq) {
      this.wake();
      await Promise.race([this.#acknowledged.promise, aborted]);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    const stopListening = this.#options.log.onAppend(() => {
      this.#appendedAtMs = performance.now();
      if (failures === 0) this.wake();
    });
    while (!signal.aborted) {
      this.#attempt = new AbortController();
      this.#aliveAtMs = performance.now();
      try {
        this.#drains = this.#attempt;
        await this.#drain(AbortSignal.any([signal, this.#attempt.signal])).finally(() => {
          this.#drains = null;
        });
        failures = 0;
        this.state.lastError = null;
        await this.#pause(null, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (this.#attempt.signal.aborted) continue;
        this.#note(error, ++failures);
        const filled = new AbortController();
        void this.#keepReady(AbortSignal.any([signal, filled.signal]));
        await this.#pause(this.#retryDelayMs(failures), signal);
        filled.abort();
      }
    }
    stopListening();
  }

  #drain(signal: AbortSignal): Promise<void> {
    const { log, relay } = this.#options;
    let first = true;
    const position = this.#position;
    this.#position = null;
    return drain(
      {
        log,
        relay,
        position,
        ready: this.#ready,
        batchSize: this.#batchSize,
        monotonicMs: () => performance.now(),
        boots: this.#options.boots,
        onAnswer: (answer) => {
          this.#aliveAtMs = performance.now();
          if (!first) this.state.lastPushAt = new Date();
          first = false;
          this.state.parkedInCloud = answer.parked;
          this.#acknowledged.resolve();
          this.#acknowledged = Promise.withResolvers();
          this.#options.onAcknowledged();
        },
      },
      signal,
    );
  }

  /** While there is no link and nobody writes: what was written meanwhile is ready when it comes back. */
  async #keepReady(signal: AbortSignal): Promise<void> {
    const { log, logger } = this.#options;
    while (!signal.aborted) {
      try {
        const isQuiet = performance.now() - this.#appendedAtMs > quietMs;
        if (isQuiet) await this.#ready.fill(log.acknowledged, signal);
      } catch (error) {
        logger.warn({ err: error }, 'nothing could be made ready to be sent');
      }
      await sleep(readyIntervalMs, undefined, { signal }).catch(() => {});
    }
  }

  async #pause(delayMs: number | null, signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    if (delayMs === null && log.lastSeq > log.acknowledged) return;
    this.#wake = Promise.withResolvers();
    const stop = new AbortController();
    const ends: Promise<unknown>[] = [this.#wake.promise];
    if (delayMs !== null) ends.push(sleep(delayMs, undefined, { signal: stop.signal }).catch(() => {}));
    const aborted = () => this.#wake.resolve();
    signal.addEventListener('abort', aborted, { once: true });
    if (!signal.aborted) await Promise.race(ends);
    signal.removeEventListener('abort', aborted);
    stop.abort();
  }

  #note(error: unknown, failures: number): void {
    const { logger } = this.#options;
    this.state.lastError = error instanceof Error ? error.message : String(error);
    const level = failures === 1 || error instanceof RelayRefusal ? 'warn' : 'debug';
    logger[level]({ err: error, failures }, 'push failed, tries again');
  }

  /** Exponential, with full jitter, so that a thousand boxes do not come back at the same moment. */
  #retryDelayMs(failures: number): number {
    const ceiling = Math.min(maxRetryDelayMs, minRetryDelayMs * 2 ** failures);
    return minRetryDelayMs + this.#options.random() * (ceiling - minRetryDelayMs);
  }
}
