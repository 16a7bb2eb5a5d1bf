/**
 * One after the other, in the order in which they came: requests of one campus that must not overtake each other. A turn is
 * taken when the request begins, so that its body may arrive and be decoded while the one before it is being applied.
 */
export interface Turn {
  /** Resolves when every earlier turn is over. Never rejects. */
  begins: Promise<void>;
  /** May be called more than once. */
  end(): void;
}

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  take(campus: string): Turn {
    const begins = this.#last.get(campus) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const over = Promise.all([begins, promise]).then(() => {
      if (this.#last.get(campus) === over) this.#last.delete(campus);
    });
    this.#last.set(campus, over);
    return { begins, end: resolve };
  }
}
