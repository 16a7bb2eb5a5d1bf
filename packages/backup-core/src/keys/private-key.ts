import { readFile } from 'node:fs/promises';
import { decryptKey, type PrivateKey, readPrivateKey } from 'openpgp';
import { SealError } from '../seal/errors.ts';
import { KeyError } from './errors.ts';

/**
 * The private key of a recipient, for a restore or a drill. `passphrase` is asked only when the file is protected. Nothing
 * is written anywhere; the key is gone with the process.
 */
export async function unlockPrivateKey(path: string, passphrase: () => Promise<string>): Promise<PrivateKey> {
  const privateKey = await read(path);
  if (privateKey.isDecrypted()) return privateKey;
  const entered = await passphrase();
  try {
    return await decryptKey({ privateKey, passphrase: entered });
  } catch (cause) {
    throw new SealError('SEAL_PASSPHRASE', `The passphrase does not open ${path}.`, { cause });
  }
}

async function read(path: string): Promise<PrivateKey> {
  const bytes = await readFile(path);
  try {
    const armored = (bytes[0] ?? 0) < 0x80;
    return armored
      ? await readPrivateKey({ armoredKey: bytes.toString('utf8') })
      : await readPrivateKey({ binaryKey: bytes });
  } catch (cause) {
    throw new KeyError('KEY_NOT_PRIVATE', `${path} holds no OpenPGP private key.`, { cause });
  }
}
