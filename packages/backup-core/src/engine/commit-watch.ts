/**
 * Whether anything was committed since a place in the WAL. An idle server closes no segment, so the newest commit that is safe
 * grows old though nothing is missing: here it is seen that there was none.
 *
 * A look at the server gives the place where the next record goes and the snapshot. As long as the snapshot's next transaction
 * number stays and none is open, nothing was committed since the first such look, and all that was lies before its place.
 */
export interface ServerLook {
  /** Ms since 1970, taken before the question was sent. */
  readonly at: number;
  /** Bytes from the beginning of the WAL. */
  readonly place: number;
  /** `pg_current_snapshot()`: `xmin:xmax:open,…`. */
  readonly snapshot: string;
}

export class CommitWatch {
  #first: ServerLook | null = null;
  #last: ServerLook | null = null;

  saw(look: ServerLook): void {
    const [, next = '', open = ''] = look.snapshot.split(':');
    const isQuiet = open === '';
    if (!isQuiet) this.#first = null;
    else if (this.#first?.snapshot.split(':')[1] !== next) this.#first = look;
    this.#last = isQuiet ? look : null;
  }

  /** Until when every commit is known to lie before this place; null when it is not known. */
  coveredUntil(place: number): number | null {
    if (!this.#first || !this.#last || this.#first.place > place) return null;
    return this.#last.at;
  }
}
