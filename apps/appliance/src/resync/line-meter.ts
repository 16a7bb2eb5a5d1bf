/**
 * What a run moves over the line: counts it, keeps it under the throttle, and knows how fast the line was. Whoever moved
 * bytes waits here until they are paid for.
 */

/** Waits, and rejects when the signal aborts. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

export class LineMeter {
  readonly #bytesPerSecond: number | null;
  readonly #nowMs: () => number;
  readonly #pause: Pause;
  #bytes: number;
  #measured = 0;
  #transferMs = 0;
  #paidUntilMs = 0;

  /**
   * @param bytesPerSecond Null: no throttle.
   * @param before What the run had moved before it was broken off.
   */
  constructor(bytesPerSecond: number | null, nowMs: () => number, pause: Pause, before = 0) {
    this.#bytes = before;
    this.#bytesPerSecond = bytesPerSecond;
    this.#nowMs = nowMs;
    this.#pause = pause;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** As far as it was measured; null before anything was moved. */
  get bytesPerSecond(): number | null {
    return this.#transferMs > 0 ? Math.round((this.#measured * 1_000) / this.#transferMs) : null;
  }

  /** @param transferMs How long it took, without what the other side had to compute. */
  async moved(bytes: number, transferMs: number, signal: AbortSignal): Promise<void> {
    this.#measured += bytes;
    this.#transferMs += Math.max(1, transferMs);
    await this.spend(bytes, signal);
  }

  /** Bytes that somebody else moves because of this run. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytesPerSecond === null) return;
    const now = this.#nowMs();
    this.#paidUntilMs = Math.max(now, this.#paidUntilMs) + (bytes * 1_000) / this.#bytesPerSecond;
    if (this.#paidUntilMs > now) await this.#pause(this.#paidUntilMs - now, signal);
  }
}
