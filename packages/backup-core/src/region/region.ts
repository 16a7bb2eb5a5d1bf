/**
 * A region is a bucket that holds sealed objects: one of several, each with its own credentials and its own ways to fail.
 * Sending an object goes in this order: look whether it is there already, send it (large ones in parts that a later call goes
 * on from), then ask the region what it holds: size, checksum and lock. `put` resolves only after that answer.
 *
 * Nothing here tries again, waits or slows down by itself: `withRetry` and `withThrottle` do, around this interface. A region
 * does not promise that what it acknowledged can be read back in a year; restore drills show that.
 */
import type { Readable } from 'node:stream';
import type { Abilities } from './abilities.ts';

/** A finished file on this disk, with what is known of it. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

/** What a region says of an object that it holds. */
export interface Stored {
  readonly name: string;
  readonly bytes: number;
  readonly etag: string;
  /** Null where the bucket has no versions. */
  readonly versionId: string | null;
  /** By the region's clock. */
  readonly at: Date;
  /** Until when nobody can delete this version; null when it is not locked. */
  readonly lockedUntil: Date | null;
  /** What the sender noted, hex; null when it is not ours. Not computed by the region, so it proves nothing by itself. */
  readonly sha256: string | null;
}

export interface Listed {
  readonly name: string;
  readonly bytes: number;
  readonly at: Date;
}

/** One version of an object, or the marker that hides it. */
export interface ListedVersion extends Listed {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
}

export interface MultipartUpload {
  readonly uploadId: string;
  readonly partBytes: number;
  /** Acknowledged by the region. */
  readonly parts: readonly UploadedPart[];
}

export interface UploadedPart {
  readonly number: number;
  readonly bytes: number;
  /** Hex. */
  readonly md5: string;
  readonly etag: string;
}

/**
 * What `put` must find again after a power cut, kept by the caller per object and region. `save` resolves once it would
 * survive one; null forgets it. A state that was lost costs the parts already sent, nothing else.
 */
export interface MultipartState {
  load(): MultipartUpload | null | Promise<MultipartUpload | null>;
  save(upload: MultipartUpload | null): void | Promise<void>;
}

/** How fast bytes may leave. */
export interface Pace {
  /** Resolves when another part may begin. */
  open(signal: AbortSignal): Promise<void>;
  /** Resolves when these bytes may leave. */
  pass(bytes: number, signal: AbortSignal): Promise<void>;
}

export interface PutOptions {
  /** Asked for, read back, and set afterwards where the region forgot it. Ignored by a region that has no lock. */
  readonly lockUntil?: Date | undefined;
  readonly signal: AbortSignal;
  /** Bytes that the region has acknowledged, or that a pace let through. Never goes back within one call. */
  onProgress?(sent: number): void;
  readonly state: MultipartState;
  readonly pace?: Pace | undefined;
}

export interface GetOptions {
  /** Bytes, both ends included. */
  readonly range?: { readonly start: number; readonly end?: number };
  readonly versionId?: string;
  readonly signal?: AbortSignal;
}

/** Every method rejects with a `RegionError`, or with the reason of the signal that ended it. */
export interface Region {
  readonly name: string;
  /**
   * May be called again with the same file after any failure: what is there already is not sent again. A file that does not
   * have the stated size and hash is refused before the region takes it for complete.
   */
  put(name: string, file: StoredFile, options: PutOptions): Promise<Stored>;
  /** Null when the region has no such object. */
  head(name: string, signal?: AbortSignal): Promise<Stored | null>;
  /** The caller checks what it reads: the region's word is not enough. A stream that ends early fails. */
  get(name: string, options?: GetOptions): Promise<Readable>;
  /** In the order of names' bytes, from behind `after`. */
  list(prefix: string, options?: { after?: string; signal?: AbortSignal }): AsyncIterable<Listed>;
  /** All versions, also of hidden objects; a bucket without versions gives each object once. */
  versions(prefix: string, signal?: AbortSignal): AsyncIterable<ListedVersion>;
  /** With versions it only hides: the bucket's own rules delete what was hidden long enough and is not locked. */
  remove(name: string, signal?: AbortSignal): Promise<void>;
  /** Probed when asked first, then remembered. */
  abilities(signal?: AbortSignal): Promise<Abilities>;
}

/** For objects small enough for one request, where nothing is to be resumed. */
export const noMultipartState: MultipartState = { load: () => null, save: () => undefined };
