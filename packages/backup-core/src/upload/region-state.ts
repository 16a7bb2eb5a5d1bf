/** What is known of a region from what it last did: whether it answers, since when, and when to ask it again. */
import type { RegionError, RegionErrorCode } from '../region/errors.ts';
import { lastingPolicy, passingPolicy, retryDelayMs } from './retry-delay.ts';

export interface RegionTrouble {
  readonly code: RegionErrorCode;
  readonly message: string;
  readonly advice: string;
  readonly sinceMs: number;
  /** Whether it may pass though nobody does anything. */
  readonly mayPass: boolean;
}

export class RegionState {
  readonly region: string;
  readonly #now: () => number;
  readonly #random: () => number;
  #failures = 0;
  #notBefore = 0;
  #trouble: RegionTrouble | null = null;

  constructor(region: string, now: () => number, random: () => number) {
    this.region = region;
    this.#now = now;
    this.#random = random;
  }

  get trouble(): RegionTrouble | null {
    return this.#trouble;
  }

  /** Milliseconds until it may be asked again. */
  waitMs(): number {
    return Math.max(0, this.#notBefore - this.#now());
  }

  /** @returns whether it had been in trouble. */
  answered(): boolean {
    const had = this.#trouble !== null;
    this.#failures = 0;
    this.#notBefore = 0;
    this.#trouble = null;
    return had;
  }

  /** @returns whether this trouble is new. */
  failed({ code, message, advice, mayPass }: RegionError): boolean {
    const isNew = this.#trouble?.code !== code;
    if (isNew) this.#failures = 0;
    // Several requests that fail at once are one failure.
    if (this.waitMs() > 0) return isNew;
    this.#failures++;
    const policy = mayPass ? passingPolicy : lastingPolicy;
    this.#notBefore = this.#now() + retryDelayMs(this.#failures, policy, this.#random());
    const sinceMs = isNew ? this.#now() : (this.#trouble?.sinceMs ?? this.#now());
    this.#trouble = { code, message, advice, mayPass, sinceMs };
    return isNew;
  }

  /** The link is back, or somebody has put something right: ask again at once. */
  hurry(): void {
    this.#notBefore = 0;
  }
}
