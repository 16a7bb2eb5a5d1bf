/**
 * Asks the relay which certificates are the cloud's, and what time it is. The answer is signed over our own nonce with the key
 * that this box was given, so it is the relay's and fresh by whatever connection it came: certificates are not looked at here.
 * Nothing but the nonce is sent.
 */
import { type KeyObject, verify } from 'node:crypto';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import Type from 'typebox';
import { Value } from 'typebox/value';
import { buildConnector, Client } from 'undici';
import type { Word } from './certificate-dates.ts';

export interface WordQuestion {
  relayUrl: URL;
  publicKey: KeyObject;
  nonce: string;
  secureContext: SecureContext;
  /** Called as the question is sent, over a connection that is open, and what it returns with the cloud's time. */
  exchange?: (() => (cloudTimeMs: number) => void) | undefined;
}

const Answer = Type.Object({
  nonce: Type.String(),
  time: Type.String({ maxLength: 40 }),
  certificates: Type.Array(Type.String({ pattern: '^[0-9a-f]{64}$' }), { minItems: 1, maxItems: 50 }),
  signature: Type.String({ maxLength: 200 }),
});

const askTimeoutMs = 10_000;
const mostBodyBytes = 16_384;

/** @throws Error whose message says in a few words why there is no word. */
export async function askForWord(question: WordQuestion): Promise<Word> {
  const { nonce, publicKey } = question;
  const client = await connected(question);
  try {
    const answered = question.exchange?.();
    const { statusCode, body } = await client.request({
      method: 'GET',
      path: `/v1/certificates?nonce=${nonce}`,
      signal: AbortSignal.timeout(askTimeoutMs),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`it answers ${statusCode}`);
    const word = readWord(text, nonce, publicKey);
    answered?.(word.timeMs);
    return word;
  } finally {
    await client.destroy();
  }
}

/** How long a handshake takes says nothing about the time: the connection is there before the question. */
async function connected({ relayUrl, secureContext }: WordQuestion): Promise<Client> {
  const connect = buildConnector({
    secureContext,
    rejectUnauthorized: false,
    timeout: askTimeoutMs,
    allowH2: false,
  });
  const { hostname, host, protocol, port } = relayUrl;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  connect({ hostname: hostname.replace(/^\[|\]$/g, ''), host, protocol, port }, (error, socket) =>
    error ? reject(error) : resolve(socket),
  );
  const socket = await promise;
  return new Client(relayUrl.origin, {
    // A connector that answers before it returns leaves the client waiting.
    connect: (_target, done) => queueMicrotask(() => done(null, socket)),
    allowH2: false,
    maxResponseSize: mostBodyBytes,
  });
}

/** @throws Error */
export function readWord(text: string, nonce: string, publicKey: KeyObject): Word {
  const answer = parseJson(text);
  if (!Value.Check(Answer, answer) || answer.nonce !== nonce)
    throw new Error('the answer is not one to our question');
  const { time, certificates, signature } = answer;
  const signed = Buffer.from(`skooly-edge/certificates/1\n${nonce}\n${time}\n${certificates.join(',')}`);
  const timeMs = Date.parse(time);
  if (!verify(null, signed, publicKey, Buffer.from(signature, 'base64')) || Number.isNaN(timeMs))
    throw new Error('the answer is not signed by the cloud');
  return { timeMs, certificates: new Set(certificates) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
