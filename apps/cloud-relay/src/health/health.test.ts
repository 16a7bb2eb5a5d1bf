import { generateKeyPairSync, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { signHealth } from './health.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const now = new Date('2026-03-01T07:30:00.000Z');
const nonce = '0123456789abcdef';
const check = (text: string, signature: string) =>
  verify(null, Buffer.from(text), publicKey, Buffer.from(signature, 'base64'));

it('signs the nonce and the time under the name of the health answer', () => {
  const { signature, ...answer } = signHealth(privateKey, nonce, now);
  expect(answer).toEqual({ status: 'ok', site: 'cloud', nonce, time: '2026-03-01T07:30:00.000Z' });
  expect(check(`skooly-edge/health/1\n${nonce}\n${answer.time}`, signature)).toBe(true);
});

it('is worth nothing for another nonce or another time', () => {
  const { signature, time } = signHealth(privateKey, nonce, now);
  expect(check(`skooly-edge/health/1\n${nonce}0\n${time}`, signature)).toBe(false);
  expect(check(`skooly-edge/health/1\n${nonce}\n2026-03-01T07:30:00.001Z`, signature)).toBe(false);
});
