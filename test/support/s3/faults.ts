/**
 * What this server does wrong when it is asked to. A fault hits single requests and may wear off; a behaviour is how the whole
 * server is, as providers are that speak S3 in their own way.
 */
import type { Operation } from './operation.ts';

export interface Fault {
  readonly on?: Operation | readonly Operation[];
  /** Only requests whose key contains this. */
  readonly key?: string;
  /** How many requests it hits; all when missing. */
  readonly times?: number;
  /** How many matching requests it lets pass first. */
  readonly after?: number;
  readonly latencyMs?: number;
  /** Answers so, and does nothing. */
  readonly refuse?: { readonly status: number; readonly code: string; readonly message?: string };
  /** Resets the connection after this many bytes of the request's body. */
  readonly cutAfterBytes?: number;
  /** Reads the request's body, and sends objects, no faster than this. */
  readonly bytesPerSecond?: number;
  /** Does what was asked, then resets the connection instead of answering. */
  readonly cutAnswer?: true;
  /** Never answers. */
  readonly hang?: true;
  /** Stores another byte than was sent, and answers as if it had not. */
  readonly flip?: true;
  /** Answers 200 and stores nothing. */
  readonly drop?: true;
  /** Sends only so many bytes of an object, then resets the connection. */
  readonly breakOffAfterBytes?: number;
}

export interface Behaviour {
  /** How far the server's clock is ahead. */
  clockSkewMs: number;
  /** No room: 507 in MinIO's words to whatever stores bytes. */
  full: boolean;
  ignoreLockOnPut: boolean;
  ignoreLockOnMultipart: boolean;
  /** Takes PutObjectRetention and forgets it. */
  ignoreRetention: boolean;
  ignoreIfNoneMatch: boolean;
  /** Accepts wrong checksums. */
  ignoreChecksums: 'none' | 'sha256' | 'all';
  noListParts: boolean;
  /** Entity tags that say nothing of the bytes, as with keys of the server. */
  oddEtags: boolean;
}

export const goodBehaviour: Behaviour = {
  clockSkewMs: 0,
  full: false,
  ignoreLockOnPut: false,
  ignoreLockOnMultipart: false,
  ignoreRetention: false,
  ignoreIfNoneMatch: false,
  ignoreChecksums: 'none',
  noListParts: false,
  oddEtags: false,
};

/** As Debian's radosgw is. */
export const likeRadosgw: Partial<Behaviour> = {
  ignoreIfNoneMatch: true,
  ignoreLockOnMultipart: true,
  ignoreChecksums: 'sha256',
};

export class Faults {
  #active: { fault: Fault; seen: number }[] = [];

  add(fault: Fault): void {
    this.#active.push({ fault, seen: 0 });
  }

  clear(): void {
    this.#active = [];
  }

  /** All that hit this request, as one. */
  take(operation: Operation, key: string): Fault {
    const hits = this.#active.filter(({ fault }) => isMatch(fault, operation, key));
    const due = hits.filter((active) => {
      const { after = 0, times = Number.POSITIVE_INFINITY } = active.fault;
      active.seen += 1;
      return active.seen > after && active.seen <= after + times;
    });
    return Object.assign({}, ...due.map(({ fault }) => fault));
  }
}

function isMatch({ on, key }: Fault, operation: Operation, name: string): boolean {
  const isOn = on === undefined || (typeof on === 'string' ? on === operation : on.includes(operation));
  return isOn && (key === undefined || name.includes(key));
}
