/**
 * How fast batches are worked off while others wait for their turn: what a campus is told of its waiting rests on it. It is the pace of
 * the best of the last few groups of batches (as BBR takes the rate of a link): who is told to come too
 * early asks once more, who is told to come too late leaves the relay idle, and the first batches of a storm share it with a
 * thousand handshakes.
 */
const firstGuessMs = 20;
const groupSize = 10;
const groupsKept = 5;

export class Pace {
  readonly #monotonicMs: () => number;
  /** Milliseconds a batch, of each group. */
  readonly #groups = [firstGuessMs];
  #group = { batches: 0, ms: 0 };
  /** When the last batch was done, if others waited behind it. */
  #lastMs: number | null = null;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Milliseconds from one batch to the next, all that are worked on at once taken together. */
  get msEach(): number {
    return Math.min(...this.#groups);
  }

  done(moreWait: boolean): void {
    const nowMs = this.#monotonicMs();
    if (this.#lastMs !== null) this.#count(nowMs - this.#lastMs);
    this.#lastMs = moreWait ? nowMs : null;
  }

  #count(ms: number): void {
    const group = { batches: this.#group.batches + 1, ms: this.#group.ms + ms };
    this.#group = group;
    if (group.batches < groupSize) return;
    this.#groups.push(group.ms / group.batches);
    if (this.#groups.length > groupsKept) this.#groups.shift();
    this.#group = { batches: 0, ms: 0 };
  }
}
