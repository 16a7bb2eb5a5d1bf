import { expect, test } from 'vitest';
import { hashPassword, passwordMatches } from './password.ts';

test('a password matches its own hash only, whatever cost the hash was made with', async () => {
  const cheap = await hashPassword('craie-bleue', 2 ** 4);
  expect(cheap).toMatch(/^scrypt\$16\$8\$1\$/);
  expect(await passwordMatches('craie-bleue', cheap)).toBe(true);
  expect(await passwordMatches('craie-rouge', cheap)).toBe(false);
  expect(await passwordMatches('craie-bleue', await hashPassword('craie-bleue'))).toBe(true);
  expect(await passwordMatches('craie-bleue', 'plain$craie-bleue')).toBe(false);
});
