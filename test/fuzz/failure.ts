/** What a fuzzer found: enough to see it again. */
export class FuzzFailure extends Error {
  constructor(target: string, seed: number, index: number, message: Uint8Array | string, what: string) {
    const bytes = Buffer.from(message);
    super(
      `${target}: ${what}\n  again: npm run fuzz -- --target ${target} --seed ${seed} --only ${index}\n  message (hex): ${bytes.subarray(0, 2_000).toString('hex')}`,
    );
    this.name = 'FuzzFailure';
  }
}

export interface FuzzResult {
  target: string;
  messages: number;
  /** Taken for right, and refused as it should be. */
  accepted: number;
  refused: number;
}

export interface FuzzOptions {
  seed: number;
  messages: number;
  /** Only this one of them. */
  only?: number;
  onProgress?(done: number): void;
}
