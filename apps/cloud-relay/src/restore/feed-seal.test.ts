import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { feedSeal } from './feed-seal.ts';

const key = generateKeyPairSync('ed25519').privateKey;
const seal = feedSeal(key);
const block = { campus: 'mvan', block: Buffer.from('what was sent') };

test('the seal of a block fits that block of that campus, by that key, and nothing else', () => {
  const given = seal.sealBlock(block);
  expect(feedSeal(key).fitsBlock(block, given)).toBe(true);
  expect(seal.fitsBlock({ ...block, campus: 'bonaberi' }, given)).toBe(false);
  expect(seal.fitsBlock({ ...block, block: Buffer.from('what was not sent') }, given)).toBe(false);
  expect(seal.fitsBlock(block, given.slice(1))).toBe(false);
  expect(seal.fitsBlock(block, '')).toBe(false);
  expect(feedSeal(generateKeyPairSync('ed25519').privateKey).fitsBlock(block, given)).toBe(false);
});
