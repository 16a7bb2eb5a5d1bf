/** A machine whose clocks a test owns, in a world where the real time is known. */
import type { ClockFile } from './clock-file.ts';
import type { Machine } from './machine.ts';
import { type Stretch, stretchName } from './stretch.ts';

export const second = 1_000_000;
export const hour = 3_600 * second;
export const day = 24 * hour;

export class World {
  /** Microseconds since 1970-01-01 UTC. */
  realUs = Date.parse('2026-01-05T07:00:00Z') * 1_000;
  /** What the wall clock shows, minus the real time. */
  wallErrorUs = 0;
  /** How much faster than the real time the monotonic clock runs. */
  drift = 0;
  bootId = 'boot0';
  readonly timers: (() => void)[] = [];
  #boots = 0;
  #mono = 0;

  readonly machine = (): Machine => ({
    bootId: this.bootId,
    monoUs: () => Math.round(this.#mono),
    wallUs: () => this.wallUs(),
    after: (_ms, then) => {
      this.timers.push(then);
      return () => {};
    },
  });

  wallUs(): number {
    return this.realUs + this.wallErrorUs;
  }

  pass(us: number): void {
    this.realUs += us;
    this.#mono += us * (1 + this.drift);
  }

  /** The power fails, and comes back. The wall clock goes on as it was, unless the test has another idea. */
  powerCut(offUs: number): void {
    this.realUs += offUs;
    this.#mono = 0;
    this.bootId = `boot${++this.#boots}`;
  }
}

/** What a file keeps, without the file. */
export function memoryFile(): ClockFile {
  const kept = new Map<string, Stretch>();
  return {
    read: () => [...kept.values()],
    write: (stretch) => void kept.set(stretchName(stretch), stretch),
    close: () => {},
  };
}

/** A line of a batch that names a boot, as the sync log has them. */
export function line(stamp: { boot: string; mono: number }): string {
  return JSON.stringify({ seq: 1, committedAt: 0, ...stamp, changes: [] });
}
