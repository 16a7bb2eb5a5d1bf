/**
 * Leaves room on a link that others use: so many bytes a second, by the hour of the day. One throttle may stand before several
 * regions, which then share its bytes. Only what is uploaded is counted; a part that was begun is finished when the hours
 * end, at the rate that it began with, since a server would close a connection that stands still.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pace, Region } from './region.ts';

/** From `from` to `to` o'clock, over midnight where `to` is less; equal means all day. */
export interface Hours {
  readonly from: number;
  readonly to: number;
  /** Null: as fast as the link; 0: nothing. */
  readonly bytesPerSecond: number | null;
}

export interface ThrottlePolicy {
  /** When no hours say otherwise. */
  readonly bytesPerSecond: number | null;
  /** The first that match decide. */
  readonly hours?: readonly Hours[];
  /** Minutes that the local clock is ahead of UTC. */
  readonly utcOffsetMinutes: number;
}

export interface ThrottleClock {
  now(): number;
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

const systemClock: ThrottleClock = {
  now: Date.now,
  pause: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** The rate at this moment, and nothing else: bytes a second, null without bound. */
export function rateAt(policy: ThrottlePolicy, nowMs: number): number | null {
  const hour = ((((nowMs / 60_000 + policy.utcOffsetMinutes) / 60) % 24) + 24) % 24;
  const found = policy.hours?.find(({ from, to }) =>
    from < to ? hour >= from && hour < to : from === to || hour >= from || hour < to,
  );
  return found === undefined ? policy.bytesPerSecond : found.bytesPerSecond;
}

const CLOSED_LOOK_AGAIN_MS = 30_000;
/** What may leave at once after a rest. */
const BURST_MS = 250;

/** The bytes of all regions that it is given to. */
export class Throttle implements Pace {
  readonly #policy: () => ThrottlePolicy;
  readonly #clock: ThrottleClock;
  /** When the bytes let through so far would have left at the rate. */
  #busyUntilMs = 0;
  #lastRate: number | null = null;

  /** The policy is asked each time, so that it may be changed while bytes flow. */
  constructor(policy: ThrottlePolicy | (() => ThrottlePolicy), clock: ThrottleClock = systemClock) {
    this.#policy = typeof policy === 'function' ? policy : () => policy;
    this.#clock = clock;
  }

  /** Null without bound, 0 while nothing may begin. */
  rate(): number | null {
    return rateAt(this.#policy(), this.#clock.now());
  }

  async open(signal: AbortSignal): Promise<void> {
    while (this.rate() === 0) await this.#clock.pause(CLOSED_LOOK_AGAIN_MS, signal);
  }

  async pass(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const now = this.rate();
    const rate = now === 0 ? this.#lastRate : now;
    this.#lastRate = rate;
    if (rate === null || rate === 0) return;
    const nowMs = this.#clock.now();
    const startMs = Math.max(this.#busyUntilMs, nowMs - BURST_MS);
    this.#busyUntilMs = startMs + (bytes / rate) * 1000;
    if (this.#busyUntilMs > nowMs) await this.#clock.pause(this.#busyUntilMs - nowMs, signal);
  }
}

export function withThrottle(region: Region, pace: Pace): Region {
  return {
    name: region.name,
    put: (name, file, options) => region.put(name, file, { ...options, pace }),
    head: (name, signal) => region.head(name, signal),
    get: (name, options) => region.get(name, options),
    list: (prefix, options) => region.list(prefix, options),
    versions: (prefix, signal) => region.versions(prefix, signal),
    remove: (name, signal) => region.remove(name, signal),
    abilities: (signal) => region.abilities(signal),
  };
}
