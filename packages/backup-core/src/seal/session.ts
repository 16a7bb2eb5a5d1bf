import { randomBytes } from 'node:crypto';
import { encryptSessionKey } from 'openpgp';
import type { Recipient } from '../keys/recipient.ts';
import { SealError } from './errors.ts';

const sessionKeyBytes = 32;

/** The key of one object, new for each, and the packets in which every recipient finds it. */
export interface Session {
  readonly sessionKey: Uint8Array;
  readonly keyPackets: Uint8Array;
}

export async function sessionFor(recipients: readonly Recipient[]): Promise<Session> {
  if (recipients.length === 0) throw new SealError('SEAL_NO_RECIPIENTS', 'There is no key to seal for.');
  const sessionKey = randomBytes(sessionKeyBytes);
  const keyPackets = await Promise.all(
    recipients.map(({ key, enrolledAt }) =>
      encryptSessionKey({
        data: sessionKey,
        algorithm: 'aes256',
        encryptionKeys: key,
        format: 'binary',
        date: enrolledAt,
      }),
    ),
  );
  return { sessionKey, keyPackets: Buffer.concat(keyPackets) };
}
