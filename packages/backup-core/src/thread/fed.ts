import { sweeper } from '../seal/free.ts';

/**
 * The bytes that the program feeds, as an iterable. A buffer goes back to be filled anew when the one after the next is asked for: until
 * then a reader may still hold a piece that reaches over the border.
 */
export class Fed implements AsyncIterable<Buffer> {
  readonly #giveBack: (buffer: ArrayBuffer) => void;
  readonly #waiting: Buffer<ArrayBuffer>[] = [];
  readonly #lent: ArrayBuffer[] = [];
  #ended = false;
  #error: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(giveBack: (buffer: ArrayBuffer) => void) {
    this.#giveBack = giveBack;
  }

  push(buffer: ArrayBuffer, bytes: number): void {
    this.#waiting.push(Buffer.from(buffer, 0, bytes));
    this.#wake();
  }

  end(error: Error | null): void {
    this.#ended = true;
    this.#error = error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const sweep = sweeper();
    for (;;) {
      const next = this.#waiting.shift();
      if (next) {
        if (this.#lent.length > 1) this.#giveBack(this.#lent.shift() as ArrayBuffer);
        this.#lent.push(next.buffer);
        sweep(next.length);
        yield next;
      } else if (this.#error) throw this.#error;
      else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}
