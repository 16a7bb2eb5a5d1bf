/** OpenPGP packets whose length is not known beforehand: chunks of a power of two, each behind its length (RFC 4880, 4.2.2.4). */

const chunkPower = 20;
export const chunkBytes = 2 ** chunkPower;
const partialMark = 224;
const newFormat = 0xc0;

export class PartialBody {
  readonly #tag: number;
  readonly #memory: (() => Buffer) | null;
  #buffer: Buffer;
  #used = 0;
  #begun = false;

  /**
   * @param memory Gives a buffer of `chunkBytes` for each chunk, which is the caller's own once it comes out. Without it one buffer serves
   * for all, and what comes out is valid until the next is asked for.
   */
  constructor(tag: number, memory?: () => Buffer) {
    this.#tag = tag;
    this.#memory = memory ?? null;
    this.#buffer = memory?.() ?? Buffer.allocUnsafeSlow(chunkBytes);
  }

  /** What is complete once `bytes` have been added. */
  *add(bytes: Uint8Array): Generator<Buffer> {
    let from = 0;
    while (from < bytes.length) {
      const take = Math.min(bytes.length - from, chunkBytes - this.#used);
      this.#buffer.set(bytes.subarray(from, from + take), this.#used);
      this.#used += take;
      from += take;
      if (this.#used < chunkBytes) return;
      yield this.#header(Buffer.of(partialMark + chunkPower));
      yield this.#buffer;
      if (this.#memory) this.#buffer = this.#memory();
      this.#used = 0;
    }
  }

  *end(): Generator<Buffer> {
    yield this.#header(lengthBytes(this.#used));
    yield this.#buffer.subarray(0, this.#used);
  }

  #header(length: Buffer): Buffer {
    if (this.#begun) return length;
    this.#begun = true;
    return Buffer.concat([Buffer.of(newFormat | this.#tag), length]);
  }
}

function lengthBytes(length: number): Buffer {
  if (length < 192) return Buffer.of(length);
  if (length < 8384) return Buffer.of(((length - 192) >> 8) + 192, (length - 192) & 0xff);
  const five = Buffer.alloc(5, 0xff);
  five.writeUInt32BE(length, 1);
  return five;
}
