import { expect, test } from 'vitest';
import { answers, languageOf } from './words.ts';

test.each([
  [undefined, 'fr'],
  ['', 'fr'],
  ['en', 'en'],
  ['en-GB,en;q=0.9', 'en'],
  ['fr-CM,fr;q=0.9,en;q=0.8', 'fr'],
  ['fr;q=0.3, en;q=0.7', 'en'],
  ['de,en;q=0.5', 'en'],
  ['en;q=0, de', 'fr'],
  ['*', 'fr'],
])('a browser that asks for %s reads %s', (header, language) => {
  expect(languageOf(header)).toBe(language);
});

test('every answer has its sentences in both languages', () => {
  for (const { fr, en } of Object.values(answers)) {
    for (const words of [fr, en]) {
      expect(words.title).toBeTruthy();
      expect(`${words.message} ${words.advice}`).toMatch(/^[A-ZÀ-Ü].*\. [A-ZÀ-Ü].*\.$/);
    }
    expect(fr.message).not.toBe(en.message);
  }
});
