/**
 * Reads sealed objects out of the regions, each held against the signed manifest while it streams. Whoever consumes the
 * stream must throw away what it got when the stream ends in an error: a hash is only known at the end.
 *
 * Regions are tried in the order given; a region that lacks an object or has it damaged is reported, and the next one is
 * asked, unless the caller named one region alone. A key that does not open an object ends it at once.
 */
import { type Readable, Transform } from 'node:stream';
import type { SealedObject } from '../format/object.ts';
import { type Poured, pour, type Sink } from '../thread/sink.ts';
import { RestoreError } from './errors.ts';

/** What a restore needs of a region. */
export interface ObjectSource {
  readonly name: string;
  get(name: string): Promise<Readable>;
}

export interface Reader {
  readonly sources: readonly ObjectSource[];
  /** Verifies, decrypts and decompresses; its errors have codes that begin with OBJECT_ when the object is not what was signed. */
  open(cipher: Readable, object: SealedObject): Readable;
  /** As `open`, and what comes out goes where it belongs in another thread, without passing through this one. */
  pour?(cipher: Readable, object: SealedObject, sink: Sink, signal: AbortSignal): Promise<Poured>;
  /** Told when a region could not give an object, and why. */
  onFault?(fault: Fault): void;
}

export interface Fault {
  readonly region: string;
  readonly object: string;
  readonly reason: string;
  /** Of the error, when it has one. */
  readonly code?: string | undefined;
  readonly damaged: boolean;
}

/** Gives the plain bytes of one of the objects, which all have the same content, to `consume`. */
export async function readObject<T>(
  objects: readonly SealedObject[],
  reader: Reader,
  consume: (plain: Readable) => Promise<T>,
  onCipher: (bytes: number) => void = () => undefined,
): Promise<T> {
  return await fromOneOf(objects, reader, onCipher, async (cipher, object) => {
    const plain = reader.open(cipher, object);
    try {
      return await consume(plain);
    } finally {
      plain.destroy();
    }
  });
}

export interface PourOptions {
  readonly sink: Sink;
  readonly signal: AbortSignal;
  /** Before each try: nothing of an earlier one may be left. */
  prepare?(): Promise<void>;
  /** @throws when what was poured did not arrive well. */
  judge?(poured: Poured): void;
  onCipher?(bytes: number): void;
}

/** As `readObject`, into a file or a program. */
export async function pourObject(
  objects: readonly SealedObject[],
  reader: Reader,
  { sink, signal, prepare, judge, onCipher = () => undefined }: PourOptions,
): Promise<void> {
  await fromOneOf(objects, reader, onCipher, async (cipher, object) => {
    await prepare?.();
    const poured = reader.pour
      ? await reader.pour(cipher, object, sink, signal)
      : await pour(reader.open(cipher, object), sink, signal);
    judge?.(poured);
  });
}

async function fromOneOf<T>(
  objects: readonly SealedObject[],
  reader: Reader,
  onCipher: (bytes: number) => void,
  use: (cipher: Readable, object: SealedObject) => Promise<T>,
): Promise<T> {
  const faults: Fault[] = [];
  let first: unknown;
  for (const { source, object } of choices(objects, reader.sources)) {
    try {
      return await readFrom(source, object, onCipher, use);
    } catch (cause) {
      if (!isFaultOfRegion(cause)) throw cause;
      const { code, message } = cause as Error & { code?: string };
      const damaged = code?.startsWith('OBJECT_') === true || code === 'RESTORE_OBJECT_DAMAGED';
      const fault = { region: source.name, object: object.name, reason: message, code, damaged };
      faults.push(fault);
      first ??= cause;
      reader.onFault?.(fault);
    }
  }
  const damaged = faults.some((fault) => fault.damaged);
  const said = faults.map(({ region, object, reason }) => `${region}: ${named(reason, object)}`).join('; ');
  throw new RestoreError(
    damaged ? 'RESTORE_OBJECT_DAMAGED' : 'RESTORE_OBJECT_UNREACHABLE',
    said || 'There is no region to read from.',
    { cause: first },
  );
}

function choices(objects: readonly SealedObject[], sources: readonly ObjectSource[]) {
  return sources.flatMap((source) => objects.map((object) => ({ source, object })));
}

function isFaultOfRegion(cause: unknown): boolean {
  if (cause instanceof RestoreError) return cause.code === 'RESTORE_OBJECT_DAMAGED';
  const { code, name } = cause as { code?: unknown; name?: unknown };
  if (name === 'AbortError' || code === 'SEAL_WRONG_KEY' || code === 'ENOSPC') return false;
  return true;
}

function named(reason: string, object: string): string {
  return reason.includes(object) ? reason : `${object}: ${reason}`;
}

async function readFrom<T>(
  source: ObjectSource,
  object: SealedObject,
  onCipher: (bytes: number) => void,
  use: (cipher: Readable, object: SealedObject) => Promise<T>,
): Promise<T> {
  const stored = await source.get(object.name);
  const counted = new Transform({
    highWaterMark: 2 ** 18,
    transform(chunk: Buffer, _encoding, done) {
      onCipher(chunk.length);
      done(null, chunk);
    },
  });
  stored.once('error', (error) => counted.destroy(error));
  try {
    return await use(stored.pipe(counted), object);
  } finally {
    counted.destroy();
    stored.destroy();
  }
}
