/**
 * Holds writes for the moment in which the switch turns from the box to the cloud. Raised, it keeps new writes waiting and
 * tells when those under way on the box have finished; lifted, everything that waits goes on at once, in order, wherever
 * the switch then points. It refuses nothing: one write more than it may hold, and it asks to be lifted.
 */
export class Fence {
  readonly #heldMax: number;
  readonly #waiting = new Set<() => void>();
  readonly #idle = new Set<() => void>();
  #underWay = 0;
  #onFull: (() => void) | null = null;

  constructor({ heldMax }: { heldMax: number }) {
    this.#heldMax = heldMax;
  }

  get raised(): boolean {
    return this.#onFull !== null;
  }

  get held(): number {
    return this.#waiting.size;
  }

  /** Writes under way on the box. */
  get underWay(): number {
    return this.#underWay;
  }

  raise(onFull: () => void): void {
    this.#onFull = onFull;
  }

  lift(): void {
    this.#onFull = null;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const goOn of waiting) goOn();
  }

  /** Calls `goOn` once the fence is lifted. The answer takes it out of the queue. */
  hold(goOn: () => void): () => void {
    this.#waiting.add(goOn);
    if (this.#waiting.size > this.#heldMax) this.#onFull?.();
    return () => this.#waiting.delete(goOn);
  }

  /** Counts a write on the box, until the answer is called. Calling it twice counts once. */
  enter(): () => void {
    this.#underWay += 1;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#underWay -= 1;
      if (this.#underWay === 0) for (const tell of [...this.#idle]) tell();
    };
  }

  /** Resolves once no write is under way on the box. */
  idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const tell = () => {
        this.#idle.delete(tell);
        resolve();
      };
      this.#idle.add(tell);
    });
  }
}
