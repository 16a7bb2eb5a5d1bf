/** For tests: a key per site, each trusted by all. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { SessionKeys } from './keys.ts';

export function makeSessionKeys(sites: readonly string[]): (site: string) => SessionKeys {
  const pairs = new Map(sites.map((site) => [site, generateKeyPairSync('ed25519')]));
  const trusted = new Map([...pairs].map(([site, { publicKey }]) => [site, publicKey]));
  return (site) => ({ site, privateKey: pairs.get(site)?.privateKey as KeyObject, trusted });
}
