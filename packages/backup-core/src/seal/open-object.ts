/**
 * Opens an object and holds it to what the signed manifest says of it: size and hash of the ciphertext and of the
 * plain. Its errors name the object. As with `openSealed`, nothing that was read is good until the stream has ended
 * without an error.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { SealedObject } from '../format/object.ts';
import { SealError } from './errors.ts';
import { type Decryptor, openSealed } from './open.ts';

export interface VerifyOptions {
  /** The name of the object that has this hash: tells a swapped object from an altered one. */
  whoHas?(sha256: string): string | undefined;
}

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

async function* heldToCipher(cipher: Readable, object: SealedObject, { whoHas }: VerifyOptions) {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of cipher as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes <= object.bytes) yield chunk;
  }
  const sha256 = hash.digest('hex');
  if (bytes === object.bytes && sha256 === object.sha256) return;
  const other = whoHas?.(sha256);
  if (other !== undefined)
    throw new SealError('OBJECT_SWAPPED', `${object.name}: under this name lies ${other}.`);
  if (bytes < object.bytes)
    throw new SealError('OBJECT_TRUNCATED', `${object.name}: ${bytes} of ${object.bytes} bytes are there.`);
  throw altered(object, bytes > object.bytes ? 'it is longer than the manifest says' : 'its SHA-256 differs');
}

async function* heldToPlain(plain: Readable, object: SealedObject) {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
  } catch (cause) {
    throw named(cause, object);
  }
  if (bytes !== object.plain.bytes || hash.digest('hex') !== object.plain.sha256)
    throw altered(object, 'it opens, but to another content than the manifest says');
}

function named(cause: unknown, object: SealedObject): unknown {
  if (!(cause instanceof SealError) || cause.code.startsWith('OBJECT_')) return cause;
  if (cause.code === 'SEAL_ALTERED' || cause.code === 'SEAL_TRUNCATED')
    return altered(object, 'what lies under this name does not open whole', cause);
  return new SealError(
    cause.code,
    `${object.name}, sealed for ${object.recipients.join(' and ')}: ${cause.message}`,
    {
      cause,
    },
  );
}

function altered(object: SealedObject, why: string, cause?: unknown): SealError {
  return new SealError('OBJECT_ALTERED', `${object.name}: ${why}.`, { cause });
}

function stream(source: AsyncGenerator<Buffer>): Readable {
  return Readable.from(source, { objectMode: false, highWaterMark: 2 ** 20 });
}
