/**
 * Whether this campus reaches its cloud. Runs a round of probes at an interval, turns it into events, and lets the table of
 * states decide; whoever needs to know is told of every change of state. It starts in LOCAL.
 *
 * It does not promise that the cloud is reachable now, only what the last probes said. It moves no data: whoever sees
 * CATCHING_UP does the catching up, and reports `caughtUp` or `catchUpFailed`. A round that fails in any way, or never
 * ends, counts as a miss; the loop ends with its signal only.
 *
 * While it is ONLINE and unused it rests: it probes seldom, and the first use, or a call to the cloud that fails, brings the next
 * round at once. So a cut is noticed late only where nobody meets it.
 */
import type { Logger } from 'pino';
import { judgeQuality, type Quality, type Sample, withSample } from './brown-out.ts';
import type { Clock } from './clock.ts';
import type { ProbeResult, ProbeRound } from './probe.ts';
import type { LinkSettings } from './settings.ts';
import { firstMemory, type LinkEvent, type LinkMemory, type LinkState, transition } from './states.ts';

export interface LinkParts {
  settings: LinkSettings;
  clock: Clock;
  logger: Logger;
  /** One round of probes, that ends within the settings' timeout. */
  probe(signal: AbortSignal): Promise<ProbeRound>;
}

export interface LinkChange {
  state: LinkState;
  previous: LinkState;
  reasons: readonly string[];
}

export interface LinkSnapshot {
  state: LinkState;
  /** ISO 8601. */
  since: string;
  /** Why it is in this state, for a person. */
  reasons: readonly string[];
  misses: number;
  hits: number;
  lossPercent: number;
  p95Ms: number | null;
  /** The cloud's clock minus this machine's at the last signed answer. */
  clockOffsetMs: number | null;
  holdDownMs: number;
  /** What of it is left. */
  holdDownLeftMs: number;
  probes: readonly ProbeResult[];
}

export interface Link {
  readonly state: LinkState;
  readonly since: Date;
  snapshot(): LinkSnapshot;
  /** Called after each change of state, in order. The answer ends it; ending it twice is harmless. */
  onChange(listener: (change: LinkChange) => void): () => void;
  /** Takes effect before it returns. An event that means nothing in the present state is ignored. */
  report(event: LinkEvent): void;
  /** Somebody is about to reach the cloud over it, or failed to. Cheap. */
  used(): void;
  /** Probes until the signal aborts. May be called once. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
}

/** How long a round may overrun its own timeout before it is given up. */
const overrunMs = 500;

export function createLink(parts: LinkParts): Link {
  return new ProbedLink(parts);
}

class ProbedLink implements Link {
  readonly #parts: LinkParts;
  readonly #listeners = new Set<(change: LinkChange) => void>();
  #memory: LinkMemory = firstMemory;
  #since: Date;
  #reasons: readonly string[] = ['nothing is known of the cloud yet'];
  #samples: Sample[] = [];
  #quality: Quality = { samples: 0, lossRatio: 0, p95Ms: null, brownOut: null };
  #probes: readonly ProbeResult[] = [];
  #clockOffsetMs: number | null = null;
  #probeSoon = false;
  #usedAtMs: number;
  #wake: () => void = () => undefined;

  constructor(parts: LinkParts) {
    this.#parts = parts;
    this.#since = new Date(parts.clock.wallMs());
    this.#usedAtMs = parts.clock.now();
  }

  get state(): LinkState {
    return this.#memory.state;
  }

  get since(): Date {
    return this.#since;
  }

  snapshot(): LinkSnapshot {
    const { misses, hits, holdDownMs, holdDownUntilMs } = this.#memory;
    return {
      state: this.state,
      since: this.#since.toISOString(),
      reasons: this.#reasons,
      misses,
      hits,
      lossPercent: Math.round(this.#quality.lossRatio * 100),
      p95Ms: this.#quality.p95Ms === null ? null : Math.round(this.#quality.p95Ms),
      clockOffsetMs: this.#clockOffsetMs,
      holdDownMs,
      holdDownLeftMs: Math.max(0, Math.round(holdDownUntilMs - this.#parts.clock.now())),
      probes: this.#probes,
    };
  }

  onChange(listener: (change: LinkChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  report(event: LinkEvent): void {
    const { clock, settings } = this.#parts;
    const previous = this.state;
    const { next, reasons, probeNow } = transition(this.#memory, event, { nowMs: clock.now(), settings });
    this.#memory = next;
    if (reasons.length > 0) this.#reasons = reasons;
    if (next.state !== previous) this.#changed({ state: next.state, previous, reasons });
    if (probeNow) {
      this.#probeSoon = true;
      this.#wake();
    }
  }

  used(): void {
    const rested = this.#isAtRest();
    this.#usedAtMs = this.#parts.clock.now();
    if (rested) this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts;
    while (!signal.aborted) {
      const startedMs = clock.now();
      this.#probeSoon = false;
      try {
        const round = await this.#boundedRound(signal);
        if (signal.aborted) return;
        this.#take(round);
      } catch (error) {
        logger.error({ err: error }, 'probe round failed');
      }
      await this.#untilNextRound(startedMs, signal);
    }
  }

  #take({ outcome, rttMs, clockOffsetMs, reason, probes }: ProbeRound): void {
    const { clock, settings } = this.#parts;
    const nowMs = clock.now();
    this.#probes = probes;
    this.#clockOffsetMs = clockOffsetMs ?? this.#clockOffsetMs;
    this.report(outcome === 'hit' ? { type: 'hit', rttMs: rttMs ?? 0 } : { type: outcome, reason });
    this.#samples = withSample(this.#samples, { atMs: nowMs, rttMs }, settings.brownOut);
    this.#quality = judgeQuality(this.#samples, nowMs, settings.brownOut);
    if (this.#quality.brownOut) this.report({ type: 'brownOut', reason: this.#quality.brownOut });
  }

  #changed(change: LinkChange): void {
    this.#since = new Date(this.#parts.clock.wallMs());
    // What was measured before a fall must not make the recovered link look bad.
    if (change.state === 'RECOVERING' || change.state === 'CATCHING_UP') this.#samples = [];
    this.#parts.logger.info({ ...change }, 'link changed');
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        this.#parts.logger.error({ err: error }, 'listener of the link failed');
      }
    }
  }

  /** A round that does not end by itself is left behind and counts as a miss. */
  async #boundedRound(signal: AbortSignal): Promise<ProbeRound> {
    const { clock, settings, probe } = this.#parts;
    const stop = new AbortController();
    const late = Promise.withResolvers<ProbeRound>();
    const giveUp = () => {
      stop.abort();
      late.resolve(missed('the probes did not end in time'));
    };
    const cancel = clock.after(settings.timeoutMs + overrunMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      const round = (async () => probe(stop.signal))().catch((error) => {
        if (!stop.signal.aborted) this.#parts.logger.error({ err: error }, 'probe failed');
        return missed('the probes failed on this box');
      });
      return await Promise.race([round, late.promise]);
    } finally {
      cancel();
      signal.removeEventListener('abort', giveUp);
    }
  }

  #isAtRest(): boolean {
    const { clock, settings } = this.#parts;
    return this.state === 'ONLINE' && clock.now() - this.#usedAtMs >= settings.rest.afterMs;
  }

  /** Nobody answers at all. A cloud that does answer, and is in trouble, is not asked by all its boxes each second. */
  #isCutOff(): boolean {
    return this.state === 'LOCAL' && this.#probes.every(({ rttMs }) => rttMs === null);
  }

  #intervalMs(): number {
    const { suspectIntervalMs, intervalMs, rest } = this.#parts.settings;
    if (this.#probeSoon || this.state === 'SUSPECT' || this.#isCutOff()) return suspectIntervalMs;
    return this.#isAtRest() ? rest.intervalMs : intervalMs;
  }

  /** Evidence from the gateway shortens the wait, but no storm of it makes a storm of probes. */
  #untilNextRound(startedMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    let cancel = () => {};
    const wait = () => {
      cancel();
      const dueMs = startedMs + this.#intervalMs();
      cancel = clock.after(Math.max(dueMs - clock.now(), 0), resolve);
    };
    const stop = () => {
      cancel();
      resolve();
    };
    this.#wake = wait;
    signal.addEventListener('abort', stop, { once: true });
    wait();
    if (signal.aborted) stop();
    return promise.finally(() => {
      this.#wake = () => undefined;
      signal.removeEventListener('abort', stop);
    });
  }
}

function missed(reason: string): ProbeRound {
  return { outcome: 'miss', rttMs: null, clockOffsetMs: null, reason, probes: [] };
}
