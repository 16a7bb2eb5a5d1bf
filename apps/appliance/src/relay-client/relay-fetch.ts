/** One call to the relay: JSON back, or an error with a code. */
import type { fetch, RequestInit } from 'undici';

/** How the relay is reached. */
export type RelayFetch = typeof fetch;

export interface Cursor {
  epoch: string;
  seq: number;
}

/** The relay answered, and refused. */
export class RelayRefusal extends Error {
  readonly code: string;
  readonly status: number;
  readonly advice: string;
  /** With SEQ_GAP: where the relay's cursor stands. */
  readonly cursor: Cursor | undefined;

  constructor(status: number, answer: { code?: string; message?: string; advice?: string; cursor?: Cursor }) {
    super(answer.message ?? `the relay answered ${status}`);
    this.name = 'RelayRefusal';
    this.status = status;
    this.code = answer.code ?? `HTTP_${status}`;
    this.advice = answer.advice ?? 'Look at the log of the relay.';
    this.cursor = answer.cursor;
  }
}

/** @throws RelayRefusal, or what `reach` throws when the relay cannot be reached. */
export async function relayFetch<T>(
  reach: RelayFetch,
  url: URL,
  init: RequestInit,
  onBytes?: (bytes: number) => void,
): Promise<T> {
  const response = await reach(url, init);
  const text = await response.text();
  onBytes?.(Number(response.headers.get('content-length') ?? text.length));
  if (response.ok) return JSON.parse(text) as T;
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {
    // A proxy's page instead of the relay's answer: the status has to do.
  }
  throw new RelayRefusal(response.status, answer);
}
