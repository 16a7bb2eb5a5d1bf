/** How fast batches are worked off while there are more of them: what a campus is told of its waiting rests on it. */
const firstGuessMs = 20;

/** How much of the pace the last batch makes. */
const weight = 0.1;

export class Pace {
  readonly #monotonicMs: () => number;
  #msEach = firstGuessMs;
  /** When the last batch was done, if others stood behind it. */
  #lastMs: number | null = null;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Milliseconds from one batch to the next, all that are worked on at once taken together. */
  get msEach(): number {
    return this.#msEach;
  }

  done(moreWait: boolean): void {
    const nowMs = this.#monotonicMs();
    if (this.#lastMs !== null) this.#msEach += weight * (nowMs - this.#lastMs - this.#msEach);
    this.#lastMs = moreWait ? nowMs : null;
  }
}
