/**
 * The file of one entry: its canonical JSON on the first line, key and signature on the second. The first line is what is
 * signed, behind a prefix that keeps the signature from meaning anything elsewhere.
 */
import { createHash } from 'node:crypto';
import { Check } from 'typebox/value';
import { canonicalJson } from '../format/canonical.ts';
import { fingerprintOf } from '../keys/fingerprint.ts';
import { type ManifestKey, type TrustedKey, verifySignature } from '../keys/manifest-key.ts';
import { type Entry, EntrySchema } from './entry.ts';
import { ManifestError } from './errors.ts';

const signedPrefix = 'skooly-edge/manifest/1\n';
const namePattern = /^(.+)\/manifest\/([0-9]{12})-([0-9a-f]{8})\.json$/;

export interface EntryFile {
  name: string;
  bytes: Buffer;
  sha256: string;
  entry: Entry;
}

export function signEntry(entry: Entry, key: ManifestKey): EntryFile {
  const line = canonicalJson(entry);
  const signature = key.sign(Buffer.from(signedPrefix + line)).toString('base64');
  const bytes = Buffer.from(`${line}\n${canonicalJson({ key: key.fingerprint, signature })}\n`);
  const sha256 = sha256Of(bytes);
  return { name: entryName(entry.site, entry.number, sha256), bytes, sha256, entry };
}

export function manifestPrefix(site: string): string {
  return `${site}/manifest/`;
}

/** Every name of that number begins so. */
export function numberPrefix(site: string, number: number): string {
  return `${manifestPrefix(site)}${String(number).padStart(12, '0')}-`;
}

export function entryName(site: string, number: number, sha256: string): string {
  return `${numberPrefix(site, number)}${sha256.slice(0, 8)}.json`;
}

/** Null for a name that is not one of an entry. */
export function parseEntryName(name: string): { site: string; number: number } | null {
  const match = namePattern.exec(name);
  return match === null ? null : { site: match[1] as string, number: Number(match[2]) };
}

/** Throws a ManifestError that names the file unless it is whole, trusted, and the one that its name says. */
export function verifyEntry(name: string, bytes: Uint8Array, trusted: readonly TrustedKey[]): EntryFile {
  const text = Buffer.from(bytes);
  const lines = text.toString('utf8').split('\n');
  if (lines.length < 3)
    throw new ManifestError('MANIFEST_TRUNCATED', name, 'the entry ends before its signature does.');
  const [line, seal] = lines as [string, string];
  const entry = parse(line);
  const { key, signature } = parseSeal(seal) ?? {};
  if (lines.length !== 3 || lines[2] !== '' || entry === null || key === undefined || signature === undefined)
    throw new ManifestError('MANIFEST_ALTERED', name, 'this is not an entry as it was written.');
  requireSignature(name, line, entry, { key, signature }, trusted);
  const sha256 = sha256Of(text);
  const expected = entryName(entry.site, entry.number, sha256);
  if (name !== expected)
    throw new ManifestError('MANIFEST_SWAPPED', name, `under this name lies ${expected}.`);
  return { name, bytes: text, sha256, entry };
}

function parse(line: string): Entry | null {
  try {
    const value: unknown = JSON.parse(line);
    if (!Check(EntrySchema, value) || canonicalJson(value) !== line) return null;
    const entry = value as Entry;
    const own = [...entry.put, ...(entry.checkpoint?.pages ?? [])].every(({ name }) =>
      isOf(entry.site, name),
    );
    return own && (entry.previous === null) === (entry.number === 1) ? entry : null;
  } catch {
    return null;
  }
}

/** A site speaks of what lies under its own prefix alone. */
export function isOf(site: string, name: string): boolean {
  return name.startsWith(`${site}/`);
}

function parseSeal(line: string): { key: string; signature: string } | null {
  const match = /^\{"key":"([0-9A-Z-]{24})","signature":"([A-Za-z0-9+/]{86}==)"\}$/.exec(line);
  return match === null ? null : { key: match[1] as string, signature: match[2] as string };
}

function requireSignature(
  name: string,
  line: string,
  { site, number }: Entry,
  { key, signature }: { key: string; signature: string },
  trusted: readonly TrustedKey[],
): void {
  const believed = trusted.find(
    (candidate) =>
      candidate.site === site && fingerprintOf(Buffer.from(candidate.publicKey, 'base64url')) === key,
  );
  if (believed === undefined)
    throw new ManifestError('MANIFEST_UNTRUSTED', name, `the key ${key} is not trusted for ${site}.`);
  const signed = Buffer.from(signedPrefix + line);
  if (!verifySignature(believed.publicKey, signed, Buffer.from(signature, 'base64')))
    throw new ManifestError('MANIFEST_ALTERED', name, 'its signature does not match.');
  if (believed.lastEntry !== undefined && number > believed.lastEntry)
    throw new ManifestError(
      'MANIFEST_UNTRUSTED',
      name,
      `the key ${key} counts up to entry ${believed.lastEntry}.`,
    );
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
