import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeAuthority } from '../../support/certificates.ts';

/** Files of keys and passwords. Each is made once, readable by its owner only, and never printed. */
export interface KeyFiles {
  readonly cloudSessionKey: string;
  readonly campusSessionKey: string;
  readonly trustedKeys: string;
  readonly relaySigningKey: string;
  readonly relayPublicKey: string;
  /** The authority that the relay's certificate comes from, and what the relay shows. */
  readonly cloudCa: string;
  readonly relayCertificate: string;
  readonly relayTlsKey: string;
  /** Signs migrations; no process of the lab is given it. */
  readonly releaseKey: string;
  readonly releasePublicKey: string;
  readonly cloudSyncPassword: string;
  readonly campusSyncPassword: string;
  readonly cloudAppPassword: string;
  readonly campusAppPassword: string;
  /** Credentials of the two regions for backups, as JSON: see `regions.ts`. */
  readonly regionParis: string;
  readonly regionDouala: string;
}

const dayMs = 86_400_000;
/** Longer than any lab is kept. */
const tlsDays = 3_650;

export function makeKeys(dir: string, campus: string, others: readonly string[] = []): KeyFiles {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const at = (name: string) => join(dir, name);
  const cloudSessionKey = privateKey(at('cloud-session.pem'));
  const campusSessionKey = privateKey(at('campus-session.pem'));
  const relaySigningKey = privateKey(at('relay-signing.pem'));
  const releaseKey = privateKey(at('release.pem'));
  const trusted = [
    { site: 'cloud', publicKey: publicKeyOf(cloudSessionKey) },
    { site: campus, publicKey: publicKeyOf(campusSessionKey) },
    ...others.map((site) => ({ site, publicKey: publicKeyOf(campusKeys(dir, site).campusSessionKey) })),
  ];
  return {
    cloudSessionKey,
    campusSessionKey,
    relaySigningKey,
    trustedKeys: once(at('trusted-keys.json'), () => `${JSON.stringify(trusted, null, 2)}\n`),
    ...tlsFiles(at),
    releaseKey,
    releasePublicKey: once(at('release-public.pem'), () => publicKeyOf(releaseKey)),
    relayPublicKey: once(at('relay-public.pem'), () => publicKeyOf(relaySigningKey)),
    cloudSyncPassword: password(at('cloud-sync.password')),
    campusSyncPassword: password(at('campus-sync.password')),
    cloudAppPassword: password(at('cloud-app.password')),
    campusAppPassword: password(at('campus-app.password')),
    regionParis: s3Credentials(at('region-paris.json')),
    regionDouala: s3Credentials(at('region-douala.json')),
  };
}

/** What a campus beside the first has of its own. */
export function campusKeys(
  dir: string,
  campus: string,
): Pick<KeyFiles, 'campusSessionKey' | 'campusSyncPassword' | 'campusAppPassword'> {
  const at = (name: string) => join(dir, `${campus}-${name}`);
  return {
    campusSessionKey: privateKey(at('session.pem')),
    campusSyncPassword: password(at('sync.password')),
    campusAppPassword: password(at('app.password')),
  };
}

/** The authority's own key is not kept: it has issued what there is to issue. */
function tlsFiles(
  at: (name: string) => string,
): Pick<KeyFiles, 'cloudCa' | 'relayCertificate' | 'relayTlsKey'> {
  const files = {
    cloudCa: at('cloud-ca.pem'),
    relayCertificate: at('relay-tls.pem'),
    relayTlsKey: at('relay-tls-key.pem'),
  };
  if (Object.values(files).every(existsSync)) return files;
  const now = Date.now();
  const dates = { notBefore: new Date(now - dayMs), notAfter: new Date(now + tlsDays * dayMs) };
  const authority = makeAuthority('Skooly Edge lab', dates);
  const { certificate, privateKey: key } = authority.issue(['127.0.0.1', 'localhost'], dates);
  const contents = [authority.certificate, certificate, key];
  for (const [index, file] of Object.values(files).entries())
    writeFileSync(file, contents[index] ?? '', { mode: 0o600 });
  return files;
}

export function readSecret(file: string): string {
  return readFileSync(file, 'utf8').trim();
}

function privateKey(file: string): string {
  return once(file, () =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
}

function publicKeyOf(file: string): string {
  return createPublicKey(readFileSync(file)).export({ type: 'spki', format: 'pem' }).toString();
}

function password(file: string): string {
  return once(file, () => `${randomBytes(18).toString('base64url')}\n`);
}

/** One for whoever owns the bucket, one for hosts that write backups into it. */
function s3Credentials(file: string): string {
  return once(file, () => {
    const one = (may: string) => ({
      accessKeyId: `LAB${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64url'),
      may,
    });
    return `${JSON.stringify([one('everything'), one('host')], null, 2)}\n`;
  });
}

function once(file: string, make: () => string): string {
  if (!existsSync(file)) writeFileSync(file, make(), { mode: 0o600 });
  return file;
}
