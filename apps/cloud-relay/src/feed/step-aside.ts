/**
 * Whether the feed writer steps aside: a campus that comes back with days of work wants the processors for having it committed, and
 * reading those commits for the feed takes a third of them. So the writer does not read while large batches are at work in this
 * relay, two seconds at a time; then it reads for as long. Whoever has to wait for the feed ends that at once.
 *
 * Nothing is skipped, Postgres keeps the WAL meanwhile, and small batches, as a campus pushes them online, hold nothing up. It does not
 * know of batches that other relays work on.
 */

/** Compressed: some thousands of changes. */
export const largeBatchBytes = 32 * 1024;

/** The feed is behind by this much at most, and by what it takes to read on. */
export const asideMs = 2_000;

/** A campus sends the next batch within this time of an answer. */
const graceMs = 50;

export interface StepAsideOptions {
  pause(): void;
  resume(): void;
}

export class StepAside {
  readonly #options: StepAsideOptions;
  #atWork = 0;
  /** `free`: it reads, and may step aside; `busy`: it reads whatever is at work, for a time. */
  #state: 'free' | 'aside' | 'busy' = 'free';
  /** Ends `aside` or `busy`. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: StepAsideOptions) {
    this.#options = options;
  }

  /** @param bytes Of a batch that begins to arrive. @returns to be called when it is over; twice counts once. */
  batch(bytes: number): () => void {
    if (bytes < largeBatchBytes) return () => {};
    this.#atWork++;
    if (this.#state === 'free') this.#stepAside();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#atWork--;
      if (this.#atWork === 0) setTimeout(() => this.#endWork(), graceMs).unref();
    };
  }

  /** Its time aside is over, or somebody waits for the feed: the writer reads, and goes on reading for a time. */
  readOn(): void {
    if (this.#state === 'aside') this.#options.resume();
    this.#state = 'busy';
    this.#after(asideMs, () => {
      this.#state = 'free';
      if (this.#atWork > 0) this.#stepAside();
    });
  }

  #stepAside(): void {
    this.#state = 'aside';
    this.#options.pause();
    this.#after(asideMs, () => this.readOn());
  }

  #endWork(): void {
    if (this.#atWork > 0 || this.#state !== 'aside') return;
    clearTimeout(this.#timer);
    this.#state = 'free';
    this.#options.resume();
  }

  #after(ms: number, work: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(work, ms).unref();
  }
}
