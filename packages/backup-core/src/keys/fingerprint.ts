import { createHash } from 'node:crypto';

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The first 20 bytes of the SHA-256 of a raw Ed25519 public key, each modulo 32 as a character, in fours. */
export function fingerprintOf(publicKey: Uint8Array): string {
  const digest = createHash('sha256').update(publicKey).digest().subarray(0, 20);
  const text = [...digest].map((byte) => crockford[byte % 32]).join('');
  return (text.match(/.{4}/g) as string[]).join('-');
}
