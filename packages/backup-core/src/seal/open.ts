/**
 * Opens a sealed stream: decrypted, then decompressed. The plaintext flows while it is read, in constant memory, so
 * it is not yet proven genuine: the reader gets an error at the end when the integrity check fails, and must then
 * discard all of it (write under another name, and rename at the end). `openObject` also holds it to the manifest.
 */
import { Readable } from 'node:stream';
import { decryptSessionKeys, type PrivateKey, readMessage } from 'openpgp';
import { decompressed } from './decompress.ts';
import { decrypted, type SessionKey } from './decrypt.ts';
import { SealError } from './errors.ts';
import { decryptedByGpg, type GpgDecryptor } from './gpg.ts';

export interface KeyDecryptor {
  kind: 'key';
  /** Unlocked: see keys/private-key.ts. */
  privateKey: PrivateKey;
}

export type Decryptor = KeyDecryptor | GpgDecryptor;

/** Destroying the result destroys `cipher`. An error of `cipher` itself comes through as it is. */
export function openSealed(cipher: Readable, decryptor: Decryptor): Readable {
  const plain = decryptor.kind === 'gpg' ? decryptedByGpg(cipher, decryptor) : inProcess(cipher, decryptor);
  return Readable.from(decompressed(plain), { objectMode: false, highWaterMark: 2 ** 20 });
}

function inProcess(cipher: Readable, { privateKey }: KeyDecryptor): AsyncGenerator<Buffer> {
  return decrypted(cipher, (keyPackets) => sessionKeys(keyPackets, privateKey));
}

/** What the key packets of a message hold for this key. */
export async function sessionKeys(keyPackets: Uint8Array, privateKey: PrivateKey): Promise<SessionKey[]> {
  try {
    const message = await readMessage({ binaryMessage: keyPackets });
    return await decryptSessionKeys({ message, decryptionKeys: privateKey });
  } catch (cause) {
    const held = privateKey.getFingerprint().toUpperCase();
    throw new SealError('SEAL_WRONG_KEY', `The key ${held} does not open this object.`, { cause });
  }
}
