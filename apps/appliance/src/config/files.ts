/** Files that settings name, read or refused by the name of the setting. */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { ConfigError } from './errors.ts';

/** PEM of one authority or several. @throws ConfigError */
export function readAuthorities(field: string, path: string): string {
  const fix = "give the certificates of the cloud's authorities in PEM";
  const pem = readText(field, path);
  const found = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (!found) throw new ConfigError(field, `names ${path}, which holds no certificate`, fix);
  for (const one of found) {
    try {
      new X509Certificate(one);
    } catch (cause) {
      throw new ConfigError(field, `names ${path}, which holds a damaged certificate`, fix, { cause });
    }
  }
  return pem;
}

/** @throws ConfigError */
export function readPublicKey(field: string, path: string): KeyObject {
  const whose = field === 'EDGE_RELEASE_PUBLIC_KEY_FILE' ? 'release' : 'relay';
  const fix = `give the ${whose}'s Ed25519 public key in PEM`;
  const pem = readText(field, path);
  if (pem.includes('PRIVATE KEY'))
    throw new ConfigError(field, `names ${path}, which holds a private key`, fix);
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new ConfigError(field, `names ${path}, which holds no public key`, fix, { cause });
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new ConfigError(field, `names ${path}, which holds a key of type ${key.asymmetricKeyType}`, fix);
  }
  return key;
}

function readText(field: string, path: string): string {
  requireReadable(field, path);
  return readFileSync(path, 'utf8');
}

/** @throws ConfigError */
export function requireReadable(field: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    const problem = `names ${path}, which cannot be read (${(cause as NodeJS.ErrnoException).code})`;
    throw new ConfigError(field, problem, 'give the path of a file that this user may read', { cause });
  }
  if (!statSync(path).isFile())
    throw new ConfigError(field, `names ${path}, which is no file`, 'give the path of a file');
}
