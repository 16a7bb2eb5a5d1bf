/**
 * How much to put into one batch: about two seconds of what the link carried last, so that a cut costs little and a good
 * link is not asked for every small thing. Never so little that no progress is made. The round trip after which the answer comes is not
 * counted: nothing is carried in it, however large the batch.
 */
const minBytes = 16 * 1024;
const firstBytes = 512 * 1024;
const maxBytes = 4 * 1024 * 1024;
const targetMs = 2_000;

/** A batch may grow by this factor at a time: one lucky answer says little. */
const maxGrowth = 16;

/** A batch may shrink by this factor at a time: an answer that came late because the line was dead meanwhile says as little. */
const maxShrink = 2;

/** Batches on their way at once, over a link that carries the largest in good time. On any other a cut would cost two. */
const maxWindow = 2;

/** The least of so many questions is a round trip: one may have been held up, or have opened the connection first. */
const questions = 8;

/** A round trip that is not what it was is believed up to this share of the time. */
const mostOfTheTime = 0.5;

export class BatchSize {
  #bytes = firstBytes;
  #questionsMs: number[] = [];

  /** Uncompressed bytes that the next batch may hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many batches may be on their way at once. */
  get window(): number {
    return this.#bytes === maxBytes ? maxWindow : 1;
  }

  /** A question that carries next to nothing was answered. */
  asked(elapsedMs: number): void {
    this.#questionsMs = [...this.#questionsMs, elapsedMs].slice(-questions);
  }

  /** @param bytes Uncompressed size of the batch that was answered after `elapsedMs`. */
  sent(bytes: number, elapsedMs: number): void {
    if (bytes < this.#bytes / 2) return;
    const carryingMs = elapsedMs - Math.min(this.#roundTripMs, elapsedMs * mostOfTheTime);
    const ideal = (bytes / Math.max(carryingMs, 1)) * targetMs;
    const [least, most] = [this.#bytes / maxShrink, this.#bytes * maxGrowth];
    this.#bytes = clamp(Math.min(Math.max(ideal, least), most));
  }

  /** 0 while nothing is known. */
  get #roundTripMs(): number {
    return this.#questionsMs.length === 0 ? 0 : Math.min(...this.#questionsMs);
  }

  failed(): void {
    this.#bytes = clamp(this.#bytes / maxShrink);
  }
}

function clamp(bytes: number): number {
  return Math.round(Math.min(maxBytes, Math.max(minBytes, bytes)));
}
