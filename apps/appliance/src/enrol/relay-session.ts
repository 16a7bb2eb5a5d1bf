/**
 * The box's session with the relay: a challenge, its signature, a token. A token is renewed before it ends, by how long the
 * relay said that it lives and this machine's monotonic clock; the time of day is not asked. One that the relay does not
 * take any more is thrown away, and the next call opens a new session. Callers at the same moment share one exchange.
 */
import { sessionText, signText } from '@skooly-edge/sync-protocol';
import { fetch } from 'undici';
import { type RelayFetch, RelayRefusal, relayFetch } from '../relay-client/relay-fetch.ts';
import { readBoxKey } from './box-key.ts';
import { EnrolError } from './errors.ts';

/** Who may speak for the box. */
export interface RelayAuthorization {
  /** @returns the value of the Authorization header. @throws EnrolError, RelayRefusal, or what the network threw. */
  authorization(): Promise<string>;
  /** The relay did not take this one. */
  refused(authorization: string): void;
}

export type TrustState = 'not asked' | 'not enrolled' | 'pending' | 'trusted' | 'revoked' | 'unknown';

export interface TrustStatus {
  state: TrustState;
  fingerprint: string | null;
  /** What stands in the way and what to do about it; null while nothing does. */
  problem: string | null;
}

export interface RelaySessionOptions {
  relayUrl: URL;
  campus: string;
  stateDir: string;
  /** How the relay is reached; left out, by whatever certificate the public authorities issued. */
  fetch?: RelayFetch;
  /** Milliseconds that only ever go forward. */
  monotonicMs(): number;
}

interface Token {
  value: string;
  renewAtMs: number;
}

/** A token is renewed when this part of its life is over. */
const renewAfter = 2 / 3;
/** A thousand boxes may ask at the same moment. */
const exchangeTimeoutMs = 60_000;

const statesByCode: Record<string, TrustState> = {
  BOX_PENDING: 'pending',
  BOX_REVOKED: 'revoked',
  BOX_UNKNOWN: 'unknown',
  PROOF_INVALID: 'unknown',
  NOT_ENROLLED: 'not enrolled',
};

export class RelaySession implements RelayAuthorization {
  readonly #options: RelaySessionOptions;
  #token: Token | null = null;
  #opening: Promise<Token> | null = null;
  #status: TrustStatus = { state: 'not asked', fingerprint: null, problem: null };

  constructor(options: RelaySessionOptions) {
    this.#options = options;
  }

  status(): TrustStatus {
    return this.#status;
  }

  async authorization(): Promise<string> {
    if (this.#token && this.#options.monotonicMs() < this.#token.renewAtMs) return this.#token.value;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    this.#token = await this.#opening;
    return this.#token.value;
  }

  refused(authorization: string): void {
    if (this.#token?.value === authorization) this.#token = null;
  }

  async #open(): Promise<Token> {
    const { campus, stateDir } = this.#options;
    const key = readBoxKey(stateDir);
    const fingerprint = key?.fingerprint ?? null;
    try {
      if (!key) throw new EnrolError('NOT_ENROLLED', 'This box is not enrolled.');
      const box = { campus, fingerprint };
      const { challenge } = await this.#ask<{ challenge: string }>('/v1/session/challenge', box);
      const signature = signText(sessionText(challenge, campus, key.fingerprint), key.privateKey);
      const askedAtMs = this.#options.monotonicMs();
      const session = { ...box, challenge, signature };
      const { token, expiresInMs } = await this.#ask<{ token: string; expiresInMs: number }>(
        '/v1/session',
        session,
      );
      this.#status = { state: 'trusted', fingerprint, problem: null };
      return { value: `Bearer ${token}`, renewAtMs: askedAtMs + expiresInMs * renewAfter };
    } catch (error) {
      this.#note(error, fingerprint);
      throw error;
    }
  }

  /** A relay that cannot be reached says nothing about the trust. */
  #note(error: unknown, fingerprint: string | null): void {
    if (!(error instanceof RelayRefusal || error instanceof EnrolError)) return;
    const state = statesByCode[error.code];
    if (state) this.#status = { state, fingerprint, problem: `${error.message} ${error.advice}` };
  }

  #ask<T>(path: string, body: object): Promise<T> {
    const { relayUrl, fetch: reach = fetch } = this.#options;
    return relayFetch<T>(reach, new URL(path, relayUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(exchangeTimeoutMs),
    });
  }
}
