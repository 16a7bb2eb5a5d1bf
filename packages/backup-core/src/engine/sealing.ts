/** Turns what a source gives into an object of the spool: sealed for every recipient, named, described, queued. */
import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { type NameParts, objectName } from '../format/names.ts';
import type { AboutByKind, ObjectKind, SealedObject } from '../format/object.ts';
import type { Recipient } from '../keys/recipient.ts';
import { seal } from '../seal/seal.ts';
import { SpoolError } from '../spool/errors.ts';
import { laneRange, priorities } from '../spool/priorities.ts';
import type { AddedWith, Spool } from '../spool/spool.ts';
import type { Tell } from './events.ts';

export interface Sealing {
  readonly site: string;
  readonly recipients: () => readonly Recipient[];
  readonly spool: Spool;
  readonly now: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly tell: Tell;
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
  readonly stream: Readable;
  /** Asked once the stream has ended well. */
  about(): Promise<AboutByKind[K]>;
  /** Hex, of the plain bytes, where it is known before. */
  readonly plainSha256?: string;
  readonly addedWith?: AddedWith;
}

/** @throws SpoolError SPOOL_DIFFERENT when what was sealed is not what was taken. Nothing of it stays when it throws. */
export async function sealIntoSpool<K extends ObjectKind>(
  { site, recipients, spool, now, randomBytes, tell, underWay }: Sealing,
  toSeal: ToSeal<K>,
  signal: AbortSignal,
): Promise<SealedObject<K>> {
  const { kind, what, stream, plainSha256, addedWith } = toSeal;
  const begunAt = now();
  const keys = recipients();
  const name = objectName({ site, kind, what, random: randomBytes(4) });
  const into = spool.pathFor(name);
  underWay.set(name, kind);
  try {
    const sealed = await seal(stream, { recipients: keys, into, signal });
    if (plainSha256 !== undefined && sealed.plain.sha256 !== plainSha256)
      throw new SpoolError(
        'SPOOL_DIFFERENT',
        `${name} was taken as ${plainSha256}, and sealed as other bytes.`,
      );
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
    stream.destroy();
    await rm(into, { force: true });
    throw error;
  } finally {
    underWay.delete(name);
  }
}
