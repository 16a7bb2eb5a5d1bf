/**
 * How much to put on its way: batches of about a second of what the link carries, so that a cut costs little and a good link is not
 * asked for every small thing; and as many of them before the first is answered as keep the link busy while lost packets hold an
 * answer up. Never so little that no progress is made.
 *
 * What the link carries is the best of late that was answered in the time from a batch's sending to its answer, whatever of it was
 * that batch: answers that are held up and then come together do not disturb that, nor does one that waited for the end of a cut. After
 * BBR (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016), one layer further up.
 */
const batchMs = 1_000;
const onTheWayMs = 4_000;
const minBytes = 16 * 1024;
const firstBytes = 256 * 1024;
const maxBytes = 4 * 1024 * 1024;
const maxOnTheWay = 2 * maxBytes;

/** What is believed of a link before the first answer. */
const firstRate = firstBytes / batchMs;

/** The link may have become so many times better at once: one lucky answer says little. */
const maxGrowth = 16;

/** The link may have become so many times worse at once. */
const maxShrink = 2;

/** So many answers are looked back upon. */
const answers = 8;

/** The least of so many questions is a round trip: one may have been held up, or have opened the connection first. */
const questions = 8;

/** A round trip that is not what it was is believed up to this share of the time. */
const mostOfTheTime = 0.5;

/** A batch that was sent. */
export interface Passage {
  readonly bytes: number;
  readonly sentAtMs: number;
  /** Nothing else was on its way. */
  readonly alone: boolean;
  readonly answeredBefore: number;
}

export class BatchSize {
  /** Uncompressed bytes that the link carries in a millisecond, as each of the last answers had it. */
  #rates: number[] = [];
  #questionsMs: number[] = [];
  /** Bytes of all batches. */
  #sent = 0;
  #answered = 0;

  /** Uncompressed bytes that the next batch may hold. */
  get bytes(): number {
    return clamp(this.#rate * batchMs, maxBytes);
  }

  /** Uncompressed bytes that may be on their way together; what arrives in a round trip comes on top. */
  get onTheWay(): number {
    return clamp(this.#rate * (onTheWayMs + this.#roundTripMs), maxOnTheWay);
  }

  /** A question that carries next to nothing was answered. */
  asked(elapsedMs: number): void {
    this.#questionsMs = [...this.#questionsMs, elapsedMs].slice(-questions);
  }

  sent(bytes: number, nowMs: number): Passage {
    const alone = this.#sent === this.#answered;
    this.#sent += bytes;
    return { bytes, sentAtMs: nowMs, alone, answeredBefore: this.#answered };
  }

  answered({ bytes, sentAtMs, alone, answeredBefore }: Passage, nowMs: number): void {
    this.#answered += bytes;
    if (bytes < this.bytes / 2) return;
    const elapsedMs = nowMs - sentAtMs;
    // A round trip carries nothing, however large the batch.
    const carryingMs = alone ? elapsedMs - Math.min(this.#roundTripMs, elapsedMs * mostOfTheTime) : elapsedMs;
    const rate = (this.#answered - answeredBefore) / Math.max(carryingMs, 1);
    this.#believe(Math.min(Math.max(rate, this.#rate / maxShrink), this.#rate * maxGrowth));
  }

  /** It came to nothing. @param blame The link is to blame for it. */
  failed({ bytes }: Passage, blame: boolean): void {
    this.#answered += bytes;
    if (!blame) return;
    const worse = this.#rate / maxShrink;
    this.#rates = [];
    this.#believe(worse);
  }

  /** No further than the sizes go: a link that got better is then noticed as quickly. */
  #believe(rate: number): void {
    const possible = Math.min(maxOnTheWay / batchMs, Math.max(minBytes / onTheWayMs, rate));
    this.#rates = [...this.#rates, possible].slice(-answers);
  }

  get #rate(): number {
    return this.#rates.length === 0 ? firstRate : Math.max(...this.#rates);
  }

  /** 0 while nothing is known. */
  get #roundTripMs(): number {
    return this.#questionsMs.length === 0 ? 0 : Math.min(...this.#questionsMs);
  }
}

function clamp(bytes: number, most: number): number {
  return Math.round(Math.min(most, Math.max(minBytes, bytes)));
}
