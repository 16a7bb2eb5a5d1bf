/** Reads what the relay shows to boxes, or refuses with one sentence that names the setting and the fix. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ConfigError } from '../config/errors.ts';

export interface TlsFiles {
  /** PEM: the relay's certificate first, then those between it and the authority. */
  certFile: string;
  keyFile: string;
}

export interface Served {
  /** PEM. */
  cert: string;
  key: string;
  leaf: X509Certificate;
}

/** Below this a certificate should have been renewed: certbot does it with a third of the life left. */
const warnDays = 14;
const dayMs = 86_400_000;

/** @throws ConfigError */
export function readServed({ certFile, keyFile }: TlsFiles): Served {
  const { pem: cert, leaf } = readCertificate('RELAY_TLS_CERT_FILE', certFile);
  const key = readText('RELAY_TLS_KEY_FILE', keyFile, "give the certificate's private key in PEM");
  if (leaf.checkPrivateKey(parseKey(keyFile, key))) return { cert, key, leaf };
  throw new ConfigError(
    'RELAY_TLS_KEY_FILE',
    `names ${keyFile}, which is not the key of the certificate in ${certFile}`,
    'give the two files of one certificate, its own first in the file',
  );
}

/** @throws ConfigError */
export function readCertificate(field: string, path: string): { pem: string; leaf: X509Certificate } {
  const fix = 'give a certificate in PEM, with those between it and its authority behind it';
  const pem = readText(field, path, fix);
  try {
    return { pem, leaf: new X509Certificate(pem) };
  } catch (cause) {
    throw new ConfigError(field, `names ${path}, which holds no certificate`, fix, { cause });
  }
}

/** As boxes compare it: SHA-256 of the whole certificate, lower-case hex. */
export function fingerprintOf({ fingerprint256 }: X509Certificate): string {
  return fingerprint256.replaceAll(':', '').toLowerCase();
}

/** What an operator has to be told of its dates; null: nothing. */
export function expiryProblem({ validFromDate, validToDate }: X509Certificate, now: Date): string | null {
  if (validFromDate > now) return `the certificate is valid only from ${validFromDate.toISOString()}`;
  if (validToDate <= now) return `the certificate has run out on ${validToDate.toISOString()}: renew it`;
  const daysLeft = Math.floor((validToDate.getTime() - now.getTime()) / dayMs);
  return daysLeft < warnDays ? `the certificate runs out in ${daysLeft} days: renew it` : null;
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new ConfigError(
      'RELAY_TLS_KEY_FILE',
      `names ${path}, which holds no private key that can be read`,
      'give it in PEM, without a passphrase',
      { cause },
    );
  }
}

function readText(field: string, path: string, fix: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new ConfigError(field, `names ${path}, which cannot be read (${code})`, fix, { cause });
  }
}
