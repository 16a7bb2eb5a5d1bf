import { createCipheriv, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { CfbDecryption } from './cfb.ts';

const plain = randomBytes(300_000);

test.each([16, 24, 32])(
  'what a key of %i bytes encrypted comes back, whatever pieces it comes in',
  (keyBytes) => {
    const key = randomBytes(keyBytes);
    const cipher = createCipheriv(`aes-${keyBytes * 8}-cfb`, key, Buffer.alloc(16)).update(plain);
    const decryption = new CfbDecryption(key);
    const sizes = [18, 1, 15, 16, 17, 0, 2, 65_536, 65_535, 31, 100_000, 65_537, 3];
    const got: Buffer[] = [];
    for (let at = 0, turn = 0; at < cipher.length; turn++) {
      const piece = cipher.subarray(at, at + (sizes[turn % sizes.length] as number));
      got.push(decryption.update(piece));
      at += piece.length;
    }
    expect(Buffer.concat(got).equals(plain)).toBe(true);
  },
);

test('room before the plaintext is the caller’s', () => {
  const key = randomBytes(32);
  const cipher = createCipheriv('aes-256-cfb', key, Buffer.alloc(16)).update(plain);
  const decryption = new CfbDecryption(key);
  decryption.update(cipher.subarray(0, 7));
  const got = decryption.update(cipher.subarray(7, 107), 22);
  expect(got.subarray(22).equals(plain.subarray(7, 107))).toBe(true);
});
