/**
 * The keys that sign and verify sessions. This site signs with its own private key; the trusted keys file names whom
 * it believes. A campus's key is good for that campus's users only, so a stolen box opens nothing elsewhere; a box
 * that is taken off the file is trusted no more.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import Type from 'typebox';
import { Value } from 'typebox/value';

export interface TrustedKeys {
  get(site: string): KeyObject | undefined;
}

export interface SessionKeys {
  /** The site that signs: `cloud` or a campus id. */
  site: string;
  privateKey: KeyObject;
  /** Site → its public key, this site's own included. */
  trusted: TrustedKeys;
}

const TrustedKeysFile = Type.Array(
  Type.Object(
    { site: Type.String({ pattern: '^[a-z][a-z0-9-]{1,31}$' }), publicKey: Type.String({ minLength: 1 }) },
    { additionalProperties: false },
  ),
);

export function parsePrivateKey(pem: string): KeyObject {
  return ed25519(createPrivateKey(pem), 'a private key');
}

export function parseTrustedKeys(text: string): Map<string, KeyObject> {
  const json: unknown = JSON.parse(text);
  const [problem] = Value.Errors(TrustedKeysFile, json);
  if (problem) throw new Error(`${problem.instancePath.slice(1) || 'the file'} ${problem.message}`);
  const trusted = new Map<string, KeyObject>();
  for (const { site, publicKey } of json as Type.Static<typeof TrustedKeysFile>) {
    trusted.set(site, ed25519(createPublicKey(publicKey), `the key of ${site}`));
  }
  return trusted;
}

function ed25519(key: KeyObject, what: string): KeyObject {
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(`${what} must be Ed25519`);
  return key;
}
