import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Behaviour, Fault } from './faults.ts';
import type { S3Request } from './operation.ts';
import type { Credential } from './signature.ts';
import type { Store } from './store.ts';

/** One request on its way, with all that an operation may need. */
export interface Context extends S3Request {
  readonly store: Store;
  readonly credential: Credential;
  readonly behaviour: Behaviour;
  readonly fault: Fault;
  /** By the server's clock. */
  readonly nowMs: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** XML; absent when there is none, or when the operation wrote its body itself. */
  readonly body?: string;
  readonly isWritten?: true;
}
