/**
 * What has come of the feed and waits to be applied. While one part is applied more may come, within bounds, so that all of it goes
 * into one commit; beyond them the stream waits.
 */
import type { ShapeStream } from '@electric-sql/client';
import type { Piece } from './pieces.ts';

/** One answer of the stream. */
export interface Arrival {
  pieces: readonly Piece[];
  /** Behind it there was nothing more. */
  isEnd: boolean;
  /** What the stream called its place behind it. */
  place: Pick<ShapeStream<never>, 'shapeHandle' | 'lastOffset'>;
}

/** As many answers wait, each of a few thousand entries, or as many bytes as they came; a single larger one does too. */
const maxWaiting = 4;
const maxWaitingBytes = 4 * 1024 * 1024;

export class Arrivals {
  #waiting: Arrival[] = [];
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();
  #isClosed = false;

  /** Resolves when there is room for more. */
  async add(arrival: Arrival): Promise<void> {
    if (this.#isClosed) return;
    this.#waiting.push(arrival);
    this.#tell();
    while (this.#isFull && !this.#isClosed) await this.#changed.promise;
  }

  /** Everything that has come, at least one; none when the stream has ended and nothing is left of it. */
  async take(): Promise<Arrival[]> {
    while (this.#waiting.length === 0 && !this.#isClosed) await this.#changed.promise;
    const taken = this.#waiting;
    this.#waiting = [];
    this.#tell();
    return taken;
  }

  /** The stream has ended. What has come of it can still be taken: over a bad line it was dear. */
  close(): void {
    this.#isClosed = true;
    this.#tell();
  }

  get #isFull(): boolean {
    const bytes = this.#waiting.reduce((sum, { pieces }) => sum + bytesOf(pieces), 0);
    return this.#waiting.length >= maxWaiting || bytes >= maxWaitingBytes;
  }

  #tell(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function bytesOf(pieces: readonly Piece[]): number {
  return pieces.reduce(
    (sum, { received }) => sum + ('block' in received ? received.block.length : received.body.length),
    0,
  );
}
