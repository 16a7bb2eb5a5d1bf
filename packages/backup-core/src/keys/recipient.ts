/**
 * OpenPGP keys that objects are sealed for. Enrolment is strict, since a mistake shows only on the day of the restore:
 * it refuses whatever stock gpg 2.2 would not open later, and any key that is about to expire. Sealing is not: it goes
 * on as of the day of the enrolment, whatever the clock says and also when the key has expired since, because an alarm
 * is better than no backup.
 */
import { config, type Key, type PublicKey, readKeys } from 'openpgp';
import { KeyError } from './errors.ts';

const dayMs = 86_400_000;
export const minDaysLeft = 90;
/** Monthly archives live for ten years. */
const minRsaBits = 3072;
/** In the features of a self signature: its owner reads SEIPD version 2, and openpgp.js would write nothing else. */
const seipdV2Feature = 8;
const rsaAlgorithms = ['rsaEncryptSign', 'rsaEncrypt', 'rsaSign'];
const goodCurves = [
  'curve25519Legacy',
  'nistP256',
  'nistP384',
  'nistP521',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
];
/** Of RFC 9580; gpg 2.2 does not know them. */
const newAlgorithms = ['x25519', 'x448', 'ed25519', 'ed448'];

/** So that a weak key is found, and then called weak. */
const weakToo = {
  ...config,
  minRSABits: 0,
  rejectPublicKeyAlgorithms: new Set<never>(),
  rejectCurves: new Set<never>(),
};

export interface Recipient {
  /** 40 upper-case hex digits. */
  readonly fingerprint: string;
  readonly userId: string;
  /** When the first of key and encryption subkey ends; null: never. */
  readonly expires: Date | null;
  /** The moment at which it was checked; it is sealed for as of then. */
  readonly enrolledAt: Date;
  readonly key: PublicKey;
}

/** `text`: armored or binary, as gpg exports it. Throws a KeyError for a key that may not be enrolled. */
export async function enrolRecipient(text: string | Uint8Array, now: Date): Promise<Recipient> {
  const recipient = await readRecipient(text, now);
  const left = daysLeft(recipient, now);
  if (left !== null && left < minDaysLeft) {
    const end = recipient.expires?.toISOString().slice(0, 10);
    throw new KeyError('KEY_EXPIRES_SOON', `The key ${recipient.fingerprint} expires on ${end}.`);
  }
  return recipient;
}

/** Reads a key again that was enrolled at `enrolledAt`. It may have expired since: see `recipientAlarm`. */
export async function readRecipient(text: string | Uint8Array, enrolledAt: Date): Promise<Recipient> {
  const key = await onlyKey(text);
  const fingerprint = key.getFingerprint().toUpperCase();
  requireOldFormat(key, fingerprint);
  await requireNotRevoked(key, enrolledAt, fingerprint);
  requireNotExpired(await expiryOf(key), enrolledAt, fingerprint);
  const { selfCertification, user } = await key.getPrimaryUser(enrolledAt).catch((cause) => {
    throw new KeyError('KEY_UNREADABLE', `The key ${fingerprint} has no valid user id.`, { cause });
  });
  if (((selfCertification.features?.[0] ?? 0) & seipdV2Feature) !== 0)
    throw new KeyError('KEY_NEEDS_NEWER_GPG', `The key ${fingerprint} asks for messages of RFC 9580.`);
  const encryptionKey = await encryptionKeyOf(key, enrolledAt, fingerprint);
  const expires = earliest(await expiryOf(key), await expiryOf(encryptionKey));
  return { fingerprint, userId: user.userID?.userID ?? '', expires, enrolledAt, key: key.toPublic() };
}

/** What is to be told while sealing goes on. */
export function recipientAlarm(recipient: Recipient, now: Date): 'KEY_EXPIRED' | 'KEY_EXPIRES_SOON' | null {
  const left = daysLeft(recipient, now);
  if (left === null || left >= minDaysLeft) return null;
  return left < 0 ? 'KEY_EXPIRED' : 'KEY_EXPIRES_SOON';
}

function daysLeft({ expires }: Recipient, now: Date): number | null {
  return expires === null ? null : (expires.getTime() - now.getTime()) / dayMs;
}

async function onlyKey(text: string | Uint8Array): Promise<Key> {
  const keys = await parsed(text).catch((cause) => {
    throw new KeyError('KEY_UNREADABLE', 'This is not an OpenPGP public key.', { cause });
  });
  if (keys.some((key) => key.isPrivate()))
    throw new KeyError('KEY_PRIVATE', 'This is a private key, which must never be on this machine.');
  if (keys.length !== 1) throw new KeyError('KEY_NOT_ONE', `${keys.length} keys were found instead of one.`);
  return keys[0] as Key;
}

async function parsed(text: string | Uint8Array): Promise<Key[]> {
  if (typeof text === 'string') return readKeys({ armoredKeys: text });
  const armored = (text[0] ?? 0) < 0x80;
  return armored
    ? readKeys({ armoredKeys: Buffer.from(text).toString('utf8') })
    : readKeys({ binaryKeys: text });
}

function requireOldFormat(key: Key, fingerprint: string): void {
  const packets = [key.keyPacket, ...key.getSubkeys().map(({ keyPacket }) => keyPacket)];
  if (packets.some(({ version }) => version !== 4))
    throw new KeyError('KEY_NEEDS_NEWER_GPG', `The key ${fingerprint} is not of version 4.`);
}

async function requireNotRevoked(key: Key, at: Date, fingerprint: string): Promise<void> {
  if (await key.isRevoked(undefined, undefined, at))
    throw new KeyError('KEY_REVOKED', `The key ${fingerprint} is revoked.`);
}

function requireNotExpired(expires: Date | null, at: Date, fingerprint: string): void {
  if (expires !== null && expires <= at)
    throw new KeyError('KEY_EXPIRED', `The key ${fingerprint} expired on ${expires.toISOString()}.`);
}

async function encryptionKeyOf(key: Key, at: Date, fingerprint: string) {
  const found = await key.getEncryptionKey(undefined, at, undefined, weakToo).catch((cause) => cause);
  if (found instanceof Error) throw await whyNoEncryption(key, at, fingerprint, found);
  const { algorithm, bits, curve } = found.getAlgorithmInfo();
  if (newAlgorithms.includes(algorithm))
    throw new KeyError(
      'KEY_NEEDS_NEWER_GPG',
      `The key ${fingerprint} encrypts with ${algorithm} of RFC 9580.`,
    );
  const strong = rsaAlgorithms.includes(algorithm)
    ? (bits ?? 0) >= minRsaBits
    : goodCurves.includes(curve ?? '');
  if (!strong)
    throw new KeyError(
      'KEY_WEAK',
      `The key ${fingerprint} encrypts with ${algorithm} ${bits ?? curve ?? ''}.`,
    );
  return found;
}

async function whyNoEncryption(key: Key, at: Date, fingerprint: string, cause: Error): Promise<KeyError> {
  const ends = await Promise.all(key.getSubkeys().map((subkey) => expiryOf(subkey)));
  const ended = ends.some((end) => end !== null && end <= at);
  return ended
    ? new KeyError('KEY_EXPIRED', `The encryption subkey of ${fingerprint} has expired.`, { cause })
    : new KeyError('KEY_CANNOT_ENCRYPT', `The key ${fingerprint} has no subkey for encryption.`, { cause });
}

/** Null: never. */
async function expiryOf(key: { getExpirationTime(): Promise<unknown> }): Promise<Date | null> {
  const expiry = await key.getExpirationTime();
  return expiry instanceof Date ? expiry : null;
}

function earliest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a < b ? a : b;
}
