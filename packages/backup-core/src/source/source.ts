/**
 * Where backups come from. Each source gives a stream of plain bytes, and, once that stream has ended well, what the
 * manifest is to say about it. A source that fails makes its stream fail, so that nothing half is ever sealed; it writes no
 * file and remembers nothing. The caller reads the stream to its end, or destroys it, which ends what the source started.
 */
import type { Readable } from 'node:stream';
import type { AboutByKind, ObjectKind } from '../format/object.ts';
import type { PassedBase, PlainBytes } from './plain.ts';

/** Bytes that another thread opens by itself. */
export interface Elsewhere {
  readonly plain: PlainBytes;
  /** They were read to their end there. @throws when they are not to be kept. */
  ended(passed: PassedBase | null): void;
}

export interface Taken<K extends ObjectKind> {
  readonly kind: K;
  readonly stream: Readable;
  /** For who reads the same bytes in another thread, and destroys `stream` unread. */
  readonly elsewhere?: Elsewhere;
  /** Resolves after the stream has ended well; rejects when it did not. Called once. */
  about(): Promise<AboutByKind[K]>;
}
