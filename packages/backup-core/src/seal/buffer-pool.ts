/** Buffers of one size that are used again: a new one costs the system its pages, and the collector a look at everything. */
export class BufferPool {
  readonly #bytes: number;
  readonly #mostSpare: number;
  readonly #spare: Buffer[] = [];

  /** @param mostSpare So many are kept while nobody uses them. */
  constructor(bytes: number, mostSpare: number) {
    this.#bytes = bytes;
    this.#mostSpare = mostSpare;
  }

  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** Nobody else may hold it, nor a part of it. One that is not of this pool is left alone. */
  giveBack({ buffer }: Buffer): void {
    if (buffer.byteLength !== this.#bytes || this.#spare.length >= this.#mostSpare) return;
    this.#spare.push(Buffer.from(buffer));
  }
}
