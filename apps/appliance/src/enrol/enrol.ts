/**
 * Enrolling the box: it makes its key, asks the relay with the code that an administrator made, shows the fingerprint, and
 * waits until the administrator confirms it. It may be broken off and run again at any point: before the relay has answered
 * it asks with the same key, and once the relay has taken the key in the appliance goes on by itself when it is confirmed.
 *
 * The key of a box that was enrolled before is given up when the relay takes in the new one.
 */
import { enrolText, publicKeyText, readPairingCode, signText } from '@skooly-edge/sync-protocol';
import { fetch } from 'undici';
import { type RelayFetch, RelayRefusal, relayFetch } from '../relay-client/relay-fetch.ts';
import { adoptNextKey, nextBoxKey } from './box-key.ts';
import { EnrolError } from './errors.ts';
import { RelaySession } from './relay-session.ts';

export interface EnrolOptions {
  relayUrl: URL;
  campus: string;
  stateDir: string;
  /** As it was typed. */
  code: string;
  /** How the relay is reached; as of a RelaySession. */
  fetch?: RelayFetch;
}

export interface Enrolled {
  fingerprint: string;
  state: 'pending' | 'trusted';
}

const askTimeoutMs = 15_000;
const confirmedPollMs = 2_000;

/** @throws RelayRefusal PAIRING_REFUSED, or what the network threw */
export async function askToEnrol(options: EnrolOptions): Promise<Enrolled> {
  const { relayUrl, campus, stateDir, code, fetch: reach = fetch } = options;
  const { privateKey, publicKey, fingerprint } = nextBoxKey(stateDir);
  const signature = signText(enrolText(campus, readPairingCode(code) ?? '', fingerprint), privateKey);
  const answer = await relayFetch<Enrolled>(reach, new URL('/v1/enrol', relayUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ campus, code, publicKey: publicKeyText(publicKey), signature }),
    signal: AbortSignal.timeout(askTimeoutMs),
  });
  adoptNextKey(stateDir);
  return answer;
}

/** Resolves when the box is confirmed. @throws EnrolError NOT_CONFIRMED after that time; RelayRefusal when it is revoked */
export async function waitForConfirmation(
  { relayUrl, campus, stateDir, fetch: reach = fetch }: EnrolOptions,
  waitMs: number,
  monotonicMs: () => number,
  pause: (ms: number) => Promise<unknown>,
): Promise<void> {
  const session = new RelaySession({ relayUrl, campus, stateDir, monotonicMs, fetch: reach });
  const untilMs = monotonicMs() + waitMs;
  while (true) {
    try {
      await session.authorization();
      return;
    } catch (error) {
      if (error instanceof RelayRefusal && error.status < 500 && error.code !== 'BOX_PENDING') throw error;
      if (monotonicMs() >= untilMs)
        throw new EnrolError('NOT_CONFIRMED', 'The box was not confirmed yet.', { cause: error });
    }
    await pause(confirmedPollMs);
  }
}
