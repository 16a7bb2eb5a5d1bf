/**
 * The signed answer that proves to a box that it has reached its cloud and nobody else: a captive portal answers 200 to
 * everything, but cannot sign the nonce. It also carries the time.
 */
import { type KeyObject, sign } from 'node:crypto';

export interface SignedHealth {
  status: 'ok';
  site: 'cloud';
  nonce: string;
  /** ISO 8601, UTC. */
  time: string;
  /** Base64 Ed25519 signature over `skooly-edge/health/1\n<nonce>\n<time>`. */
  signature: string;
}

export function signHealth(key: KeyObject, nonce: string, now: Date): SignedHealth {
  const time = now.toISOString();
  const signature = sign(null, Buffer.from(`skooly-edge/health/1\n${nonce}\n${time}`), key).toString(
    'base64',
  );
  return { status: 'ok', site: 'cloud', nonce, time, signature };
}
