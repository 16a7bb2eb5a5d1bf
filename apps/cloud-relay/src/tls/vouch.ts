/**
 * The cloud's word for its certificates: a box whose clock is wrong cannot judge their dates, but it knows the relay's signing
 * key. With its own nonce signed, the answer is fresh whatever any clock says, and it may come over any connection.
 */
import { type KeyObject, sign } from 'node:crypto';

export interface Vouched {
  nonce: string;
  /** ISO 8601, UTC. */
  time: string;
  /** SHA-256 of whole certificates, lower-case hex. */
  certificates: string[];
  /** Base64 Ed25519 signature over `skooly-edge/certificates/1\n<nonce>\n<time>\n` and the certificates, joined by commas. */
  signature: string;
}

export function vouchFor(key: KeyObject, nonce: string, now: Date, certificates: string[]): Vouched {
  const time = now.toISOString();
  const text = `skooly-edge/certificates/1\n${nonce}\n${time}\n${certificates.join(',')}`;
  return { nonce, time, certificates, signature: sign(null, Buffer.from(text), key).toString('base64') };
}
