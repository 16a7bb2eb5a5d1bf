/** Opens what is fed, held to the manifest before and after, and pours it where it belongs. */
import { decompressed } from '../seal/decompress.ts';
import { decrypted } from '../seal/decrypt.ts';
import { type Expected, heldToCipher, heldToPlain } from '../seal/held.ts';
import type { UnlockedKey } from './protocol.ts';
import { type Poured, pour, type Sink } from './sink.ts';

export interface OpenParts {
  unlock(keyPackets: Uint8Array): Promise<UnlockedKey[]>;
  whoHas(sha256: string): Promise<string | undefined>;
  readonly signal: AbortSignal;
}

export async function openInto(
  cipher: AsyncIterable<Buffer>,
  object: Expected,
  sink: Sink,
  { unlock, whoHas, signal }: OpenParts,
): Promise<Poured> {
  const held = heldToCipher(cipher, object, { whoHas });
  const plain = heldToPlain(decompressed(decrypted(held, unlock)), object);
  return await pour(plain, sink, signal);
}
