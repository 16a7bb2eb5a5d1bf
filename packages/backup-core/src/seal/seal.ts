import type { Readable } from 'node:stream';
import type { Recipient } from '../keys/recipient.ts';
import { type Sealed, sealStream } from './seal-stream.ts';
import { sessionFor } from './session.ts';

export type { Sealed } from './seal-stream.ts';

export interface SealOptions {
  /** Every one of them can open the object alone. */
  recipients: readonly Recipient[];
  /** Must not exist yet. */
  into: string;
  signal?: AbortSignal;
}

/** Seals here and now, as `sealStream` says. Takes over `plain`. */
export async function seal(plain: Readable, { recipients, into, signal }: SealOptions): Promise<Sealed> {
  // An error of `plain` that comes before it is read is kept by the stream.
  plain.once('error', () => {});
  const session = await sessionFor(recipients).catch((error) => {
    plain.destroy();
    throw error;
  });
  return await sealStream(plain, { session, into, signal });
}
