/**
 * Opens an object and holds it to what the signed manifest says of it: size and hash of the ciphertext and of the
 * plain. Its errors name the object. As with `openSealed`, nothing that was read is good until the stream has ended
 * without an error.
 */
import { Readable } from 'node:stream';
import type { SealedObject } from '../format/object.ts';
import { heldToCipher, heldToPlain, type VerifyOptions } from './held.ts';
import { type Decryptor, openSealed } from './open.ts';

export type { VerifyOptions } from './held.ts';

export function openObject(
  cipher: Readable,
  object: SealedObject,
  decryptor: Decryptor,
  options: VerifyOptions = {},
): Readable {
  const plain = openSealed(verifyCipher(cipher, object, options), decryptor);
  return stream(heldToPlain(plain, object));
}

/** The ciphertext as it came, and an error at its end when it is not the one that the manifest names. */
export function verifyCipher(cipher: Readable, object: SealedObject, options: VerifyOptions = {}): Readable {
  return stream(heldToCipher(cipher, object, options));
}

function stream(source: AsyncGenerator<Buffer>): Readable {
  return Readable.from(source, { objectMode: false, highWaterMark: 2 ** 20 });
}
