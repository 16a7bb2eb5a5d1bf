/** Turns what a source gives into an object of the spool: sealed for every recipient, named, described, queued. */
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type NameParts, objectName } from '../format/names.ts';
import type { AboutByKind, ObjectKind, SealedObject } from '../format/object.ts';
import type { Recipient } from '../keys/recipient.ts';
import { noteMd5 } from '../region/read-parts.ts';
import { type Sealed, seal } from '../seal/seal.ts';
import { sessionFor } from '../seal/session.ts';
import type { Elsewhere } from '../source/source.ts';
import { SpoolError } from '../spool/errors.ts';
import { laneRange, priorities } from '../spool/priorities.ts';
import type { AddedWith, Spool } from '../spool/spool.ts';
import type { ByteThread } from '../thread/byte-thread.ts';
import type { Tell } from './events.ts';

export interface Sealing {
  readonly site: string;
  readonly recipients: () => readonly Recipient[];
  readonly spool: Spool;
  readonly now: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly tell: Tell;
  readonly thread: ByteThread;
  /** What is being sealed now. */
  readonly underWay: Map<string, ObjectKind>;
}

/** Whether something is being sealed that the urgent lane will send. */
export function isSealingUrgent({ underWay }: Sealing): boolean {
  return [...underWay.values()].some((kind) => priorities[kind] <= laneRange.urgent[1]);
}

export interface ToSeal<K extends ObjectKind> {
  readonly kind: K;
  readonly what: NameParts['what'];
  /** What another thread can open by itself is sealed there. A stream is taken over. */
  readonly bytes: Readable | Elsewhere;
  /** Asked once they have ended well. */
  about(): Promise<AboutByKind[K]>;
  /** Hex, of the plain bytes, where it is known before. */
  readonly plainSha256?: string;
  readonly plainBytes?: number;
  readonly addedWith?: AddedWith;
}

/** @throws SpoolError SPOOL_DIFFERENT when what was sealed is not what was taken. Nothing of it stays when it throws. */
export async function sealIntoSpool<K extends ObjectKind>(
  sealing: Sealing,
  toSeal: ToSeal<K>,
  signal: AbortSignal,
): Promise<SealedObject<K>> {
  const { site, recipients, spool, now, randomBytes, tell, underWay } = sealing;
  const { kind, what, bytes, plainSha256, plainBytes, addedWith } = toSeal;
  const begunAt = now();
  const keys = recipients();
  const name = objectName({ site, kind, what, random: randomBytes(4) });
  const into = spool.pathFor(name);
  underWay.set(name, kind);
  try {
    const sealed = await sealBytes(sealing, bytes, { recipients: keys, into, signal });
    if (plainSha256 !== undefined && sealed.plain.sha256 !== plainSha256)
      throw new SpoolError(
        'SPOOL_DIFFERENT',
        `${name} was taken as ${plainSha256}, and sealed as other bytes.`,
      );
    if (plainBytes !== undefined && sealed.plain.bytes !== plainBytes)
      throw new SpoolError('SPOOL_DIFFERENT', `${name} has ${sealed.plain.bytes} bytes, not ${plainBytes}.`);
    const object = {
      name,
      kind,
      ...sealed,
      recipients: keys.map(({ fingerprint }) => fingerprint),
      sealedAt: new Date(now()).toISOString(),
      about: await toSeal.about(),
    } as SealedObject;
    await spool.add(object, addedWith);
    tell({ event: 'sealed', object, tookMs: now() - begunAt });
    return object as SealedObject<K>;
  } catch (error) {
    await rm(into, { force: true });
    throw error;
  } finally {
    if (bytes instanceof Readable) bytes.destroy();
    underWay.delete(name);
  }
}

interface SealInto {
  readonly recipients: readonly Recipient[];
  readonly into: string;
  readonly signal: AbortSignal;
}

async function sealBytes(
  { thread }: Sealing,
  bytes: Readable | Elsewhere,
  { recipients, into, signal }: SealInto,
): Promise<Sealed> {
  if (bytes instanceof Readable) return await seal(bytes, { recipients, into, signal });
  const session = await sessionFor(recipients);
  const { sealed, passed, md5 } = await thread.seal({ plain: bytes.plain, session, into }, signal);
  if (md5 !== null) noteMd5(sealed.sha256, md5);
  bytes.ended(passed);
  return sealed;
}
