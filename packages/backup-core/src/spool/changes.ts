/** Wakes who waits for work. */
export interface NextChange {
  readonly happened: Promise<void>;
  /** Aborts with `end`. */
  readonly signal: AbortSignal;
  /** To be called in any case. */
  end(): void;
}

export class Changes {
  readonly #listeners = new Set<() => void>();

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** The next change, or the end of the signal. Taken before the work is looked for, so that none is missed. */
  next(until: AbortSignal): NextChange {
    const { promise: happened, resolve } = Promise.withResolvers<void>();
    const ended = new AbortController();
    this.#listeners.add(resolve);
    until.addEventListener('abort', () => resolve(), { once: true, signal: ended.signal });
    if (until.aborted) resolve();
    const end = () => {
      this.#listeners.delete(resolve);
      ended.abort();
    };
    return { happened, signal: ended.signal, end };
  }
}
