/** Passes bytes on and holds them to what the signed manifest says of them: the verdict comes at the end, and names the object. */
import { createHash } from 'node:crypto';
import type { SealedObject } from '../format/object.ts';
import { SealError } from './errors.ts';

export interface VerifyOptions {
  /** The name of the object that has this hash: tells a swapped object from an altered one. */
  whoHas?(sha256: string): string | undefined | Promise<string | undefined>;
}

/** What the manifest says of an object, as far as it is needed here. */
export type Expected = Pick<SealedObject, 'name' | 'bytes' | 'sha256' | 'plain' | 'recipients'>;

export async function* heldToCipher(
  cipher: AsyncIterable<Buffer>,
  object: Expected,
  { whoHas }: VerifyOptions,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of cipher) {
    hash.update(chunk);
    bytes += chunk.length;
    if (bytes <= object.bytes) yield chunk;
  }
  const sha256 = hash.digest('hex');
  if (bytes === object.bytes && sha256 === object.sha256) return;
  const other = await whoHas?.(sha256);
  if (other !== undefined)
    throw new SealError('OBJECT_SWAPPED', `${object.name}: under this name lies ${other}.`);
  if (bytes < object.bytes)
    throw new SealError('OBJECT_TRUNCATED', `${object.name}: ${bytes} of ${object.bytes} bytes are there.`);
  throw altered(object, bytes > object.bytes ? 'it is longer than the manifest says' : 'its SHA-256 differs');
}

export async function* heldToPlain(plain: AsyncIterable<Buffer>, object: Expected): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of plain) {
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

function named(cause: unknown, object: Expected): unknown {
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

function altered(object: Expected, why: string, cause?: unknown): SealError {
  return new SealError('OBJECT_ALTERED', `${object.name}: ${why}.`, { cause });
}
