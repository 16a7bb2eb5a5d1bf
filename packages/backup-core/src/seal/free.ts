/**
 * Gives a buffer's memory back at once, instead of when the collector comes to it: of a stream of large buffers that is what keeps both
 * memory and the collector's work small. For a buffer that nobody else holds; one that shares its memory with others is left alone.
 */
export function free(buffer: Buffer): void {
  const { byteOffset, length, buffer: memory } = buffer;
  if (byteOffset === 0 && length === memory.byteLength && length >= leastBytes) freeMemory(memory);
}

/** For pieces of a buffer that come one after the other, each for one reader: with the last of them the buffer is given back. */
export function freeUsed({ byteOffset, length, buffer: memory }: Buffer): void {
  if (byteOffset + length === memory.byteLength && memory.byteLength >= leastBytes) freeMemory(memory);
}

export function freeMemory(memory: ArrayBufferLike): void {
  if (memory instanceof ArrayBuffer) memory.transfer(0);
}

/** What is smaller is not worth its while. */
const leastBytes = 16 * 1024;

const sweepBytes = 4 * 1024 * 1024;

/**
 * For buffers that cannot be given back one by one: told how much has passed, it has the young ones collected now and then, which takes
 * a fraction of a millisecond. Left alone, the collector lets 64 MiB of them pile up and then looks at everything.
 */
export function sweeper(): (bytes: number) => void {
  let passed = 0;
  return (bytes) => {
    passed += bytes;
    if (passed < sweepBytes) return;
    passed = 0;
    globalThis.gc?.({ type: 'minor' });
  };
}
