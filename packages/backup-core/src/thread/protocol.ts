/**
 * What the program and its thread of bytes say to each other. Each message belongs to a job by its number. The program says what is to
 * be done, feeds what is to be opened, answers what it is asked, and may call a job off; the thread ends each job with one `done`
 * or `failed`, also one that was called off.
 */
import type { Expected } from '../seal/held.ts';
import type { Sealed } from '../seal/seal-stream.ts';
import type { Session } from '../seal/session.ts';
import type { PassedBase, PlainBytes } from '../source/plain.ts';
import type { Poured, Sink } from './sink.ts';
import type { WireError } from './wire-error.ts';

export interface SealTask {
  readonly kind: 'seal';
  readonly plain: PlainBytes;
  readonly session: Session;
  readonly into: string;
}

export interface OpenTask {
  readonly kind: 'open';
  readonly object: Expected;
  readonly sink: Sink;
}

export interface ResultOf {
  /** `md5`: of the ciphertext, where it was made of a file. */
  readonly seal: { readonly sealed: Sealed; readonly passed: PassedBase | null; readonly md5: string | null };
  readonly open: Poured;
}

export type Task = SealTask | OpenTask;

/** What only the program knows: it has the private key and the manifest. */
export interface Questions {
  readonly unlock: { readonly asks: Uint8Array; readonly answer: UnlockedKey[] };
  readonly whoHas: { readonly asks: string; readonly answer: string | undefined };
}

export interface UnlockedKey {
  readonly data: Uint8Array;
  readonly algorithm: string | null;
}

export type Question = keyof Questions;

export type ToThread = { readonly id: number } & (
  | { readonly say: 'begin'; readonly task: Task }
  | { readonly say: 'abort' }
  /** The buffer comes back with `took`. */
  | { readonly say: 'feed'; readonly buffer: ArrayBuffer; readonly bytes: number }
  | { readonly say: 'fed'; readonly error: WireError | null }
  | { readonly say: 'answer'; readonly answer: unknown; readonly error: WireError | null }
);

export type FromThread = { readonly id: number } & (
  | { readonly say: 'done'; readonly result: unknown }
  | { readonly say: 'failed'; readonly error: WireError }
  | { readonly say: 'took'; readonly buffer: ArrayBuffer }
  | { readonly say: 'ask'; readonly question: Question; readonly asks: unknown }
);
