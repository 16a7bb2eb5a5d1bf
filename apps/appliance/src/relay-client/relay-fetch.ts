import { setImmediate } from 'node:timers/promises';
/** One call to the relay: JSON back, or an error with a code. */
export interface RelayRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  signal?: AbortSignal;
}

export interface RelayResponse {
  ok: boolean;
  status: number;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
}

/** How the relay is reached: what is needed of `fetch`. */
export type RelayFetch = (url: URL, request: RelayRequest) => Promise<RelayResponse>;

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
  /** It is no refusal of the request itself: the same will be taken after this long. */
  readonly retryAfterMs: number | null;

  constructor(
    status: number,
    answer: { code?: string; message?: string; advice?: string; cursor?: Cursor },
    retryAfterMs: number | null = null,
  ) {
    super(answer.message ?? `the relay answered ${status}`);
    this.name = 'RelayRefusal';
    this.status = status;
    this.code = answer.code ?? `HTTP_${status}`;
    this.advice = answer.advice ?? 'Look at the log of the relay.';
    this.cursor = answer.cursor;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @throws RelayRefusal, or what `reach` throws when the relay cannot be reached. */
export async function relayFetch<T>(
  reach: RelayFetch,
  url: URL,
  init: RelayRequest,
  onBytes?: (bytes: number) => void,
): Promise<T> {
  const response = await reach(url, init);
  const text = await response.text();
  // Until the next turn of the loop undici holds the connection for busy, and whoever asks now would open another.
  await setImmediate();
  onBytes?.(Number(response.headers.get('content-length') ?? text.length));
  if (response.ok) return JSON.parse(text) as T;
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {
    // A proxy's page instead of the relay's answer: the status has to do.
  }
  throw new RelayRefusal(
    response.status,
    answer,
    retryAfter(response.status, response.headers.get('retry-after')),
  );
}

/** In seconds; the other form of the header tells a time of day, which the box does not go by. */
function retryAfter(status: number, seconds: string | null): number | null {
  const says = (status === 429 || status === 503) && seconds !== null && /^\d{1,9}$/.test(seconds);
  return says ? Number(seconds) * 1_000 : null;
}
