/**
 * The Ed25519 key with which a site signs its manifest. Its private half lies in one file of the host, readable by its
 * user alone, and never prints. Whoever reads the manifest trusts public halves that were handed over by a person.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KeyError } from './errors.ts';
import { fingerprintOf } from './fingerprint.ts';

export interface ManifestKey {
  readonly fingerprint: string;
  /** The raw 32 bytes in base64url. */
  readonly publicKey: string;
  sign(bytes: Uint8Array): Buffer;
}

/** A public half that a reader believes for one site. */
export interface TrustedKey {
  site: string;
  publicKey: string;
  /** The last entry that counts when this key signed it: set when a key is retired or stolen. */
  lastEntry?: number;
}

export async function makeManifestKey(path: string): Promise<ManifestKey> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause;
    throw new KeyError('KEY_FILE_EXISTS', `${path} exists already.`, { cause });
  });
  try {
    await file.writeFile(pem);
    await file.sync();
  } finally {
    await file.close();
  }
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
  return new FileKey(privateKey);
}

export async function loadManifestKey(path: string): Promise<ManifestKey> {
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0)
    throw new KeyError('KEY_FILE_OPEN', `${path} can be read by others than its user.`);
  return manifestKeyFrom(await readFile(path, 'utf8'), path);
}

/** `pem`: PKCS 8, as `openssl genpkey -algorithm ed25519` makes it. `from` names it in errors. */
export function manifestKeyFrom(pem: string, from: string): ManifestKey {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return new FileKey(key);
  } catch {
    // What the parser says could quote the key, so it is not handed on.
  }
  throw new KeyError('KEY_FILE_INVALID', `${from} holds no Ed25519 private key.`);
}

/** False also for a key that is none. */
export function verifySignature(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
    return verify(null, bytes, key, signature);
  } catch {
    return false;
  }
}

/** As `openssl pkeyutl -verify` takes it. */
export function publicKeyPem(publicKey: string): string {
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' });
  return key.export({ type: 'spki', format: 'pem' }) as string;
}

class FileKey implements ManifestKey {
  readonly #key: KeyObject;
  readonly publicKey: string;
  readonly fingerprint: string;

  constructor(key: KeyObject) {
    this.#key = key;
    this.publicKey = createPublicKey(key).export({ format: 'jwk' }).x as string;
    this.fingerprint = fingerprintOf(Buffer.from(this.publicKey, 'base64url'));
  }

  sign(bytes: Uint8Array): Buffer {
    return sign(null, bytes, this.#key);
  }
}
