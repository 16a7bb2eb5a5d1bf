/**
 * What a box signs to prove that it holds its key, and how that key is named. Each text begins with what it is for, so that
 * a signature made for one thing is worth nothing for another, and names campus and key.
 */
import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/** Without letters that are taken for digits when they are read aloud (Crockford's base 32). */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

const codeLength = 10;
const fingerprintLength = 20;

/** A code of 50 random bits, in the form in which a person types it. @param random That many bytes, one to a character. */
export function pairingCode(random: (bytes: number) => Uint8Array): string {
  return grouped(toSymbols(random(codeLength)), 5);
}

/** @returns the code as it is hashed and signed, or null for what cannot be one. Case, hyphens and blanks do not count. */
export function readPairingCode(typed: string): string | null {
  const symbols = typed.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll(/[IL]/g, '1').replaceAll('O', '0');
  return symbols.length === codeLength && [...symbols].every((symbol) => alphabet.includes(symbol))
    ? symbols
    : null;
}

/** The name of a key: 100 bits of its hash, short enough for two people to compare by telephone. */
export function fingerprintOf(publicKey: KeyObject): string {
  const hash = createHash('sha256').update(rawPublicKey(publicKey)).digest();
  return grouped(toSymbols(hash.subarray(0, fingerprintLength)), 4);
}

/** The form that every fingerprint has, also as the pattern of a schema. */
export const fingerprintPattern = `^[${alphabet}]{4}(-[${alphabet}]{4}){4}$`;

/** An Ed25519 public key as it travels: its 32 bytes in base64url. */
export const publicKeyPattern = '^[A-Za-z0-9_-]{43}$';

export function publicKeyText(publicKey: KeyObject): string {
  return rawPublicKey(publicKey).toString('base64url');
}

/** @throws Error when it is no point of the curve. */
export function readPublicKeyText(text: string): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: text }, format: 'jwk' });
}

export function enrolText(campus: string, code: string, fingerprint: string): string {
  return `skooly-edge/enrol/1\n${campus}\n${code}\n${fingerprint}`;
}

export function sessionText(challenge: string, campus: string, fingerprint: string): string {
  return `skooly-edge/session/1\n${challenge}\n${campus}\n${fingerprint}`;
}

/** @returns the signature in base64url. */
export function signText(text: string, privateKey: KeyObject): string {
  return sign(null, Buffer.from(text), privateKey).toString('base64url');
}

export function signatureFits(text: string, signature: string, publicKey: KeyObject): boolean {
  return verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64url'));
}

function rawPublicKey(publicKey: KeyObject): Buffer {
  return Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
}

/** 256 is a multiple of 32: every symbol is as likely. */
function toSymbols(bytes: Uint8Array): string {
  return [...bytes].map((byte) => alphabet[byte % alphabet.length]).join('');
}

function grouped(symbols: string, size: number): string {
  return (symbols.match(new RegExp(`.{${size}}`, 'g')) ?? []).join('-');
}
