import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  enrolText,
  fingerprintOf,
  fingerprintPattern,
  pairingCode,
  publicKeyPattern,
  publicKeyText,
  readPairingCode,
  readPublicKeyText,
  sessionText,
  signatureFits,
  signText,
} from './proof.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');

test('a pairing code is read however it is typed', () => {
  const code = pairingCode((bytes) => Uint8Array.from({ length: bytes }, (_, n) => n));
  expect(code).toBe('01234-56789');
  for (const typed of [code, 'o1234 56789', ' 0l23456789\n', '0I234-56-789'])
    expect(readPairingCode(typed)).toBe('0123456789');
  for (const typed of ['', '01234-5678', '01234-567890', '01234-5678U'])
    expect(readPairingCode(typed)).toBeNull();
});

test('a public key travels as text, and its fingerprint is the same at both ends', () => {
  const text = publicKeyText(publicKey);
  expect(text).toMatch(new RegExp(publicKeyPattern));
  expect(fingerprintOf(readPublicKeyText(text))).toBe(fingerprintOf(publicKey));
  expect(fingerprintOf(publicKey)).toMatch(new RegExp(fingerprintPattern));
  expect(fingerprintOf(generateKeyPairSync('ed25519').publicKey)).not.toBe(fingerprintOf(publicKey));
});

test('a signature fits its text and nothing else', () => {
  const text = sessionText('c', 'mvan', 'F');
  const signature = signText(text, privateKey);
  expect(signatureFits(text, signature, publicKey)).toBe(true);
  for (const other of [
    sessionText('c', 'bonaberi', 'F'),
    sessionText('d', 'mvan', 'F'),
    enrolText('mvan', 'c', 'F'),
  ])
    expect(signatureFits(other, signature, publicKey)).toBe(false);
  expect(signatureFits(text, 'x', publicKey)).toBe(false);
});
