import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { conflictKinds } from '../entry.ts';
import { actionWords, kindWords, languageOf, phrases, statusWords } from './words.ts';

describe('the words of the inbox', () => {
  test.each(conflictKinds)(
    '%s has a title and an explanation in both languages, and a row in PROTOCOL.md',
    (kind) => {
      const { en, fr } = kindWords[kind];
      for (const { title, explanation } of [en, fr]) {
        expect(title.length).toBeGreaterThan(5);
        expect(explanation).toMatch(/^[A-ZÀ-Ý].*\.$/u);
      }
      expect(fr.title).not.toBe(en.title);
      const protocol = readFileSync(new URL('../../../PROTOCOL.md', import.meta.url), 'utf8');
      expect(protocol).toContain(`\`${kind}\``);
    },
  );

  test('every status, action and phrase is said in both', () => {
    for (const words of [...Object.values(statusWords), ...Object.values(actionWords)])
      expect(words.fr && words.en).toBeTruthy();
    expect(Object.keys(phrases.fr).sort()).toEqual(Object.keys(phrases.en).sort());
  });

  test.each([
    ['fr_CM.UTF-8', 'fr'],
    ['fr-FR,en;q=0.8', 'fr'],
    ['fr', 'fr'],
    ['en_GB.UTF-8', 'en'],
    ['C.UTF-8', 'en'],
    ['fry_NL', 'en'],
    [undefined, 'en'],
  ] as const)('a person with the locale %s reads %s', (locale, language) => {
    expect(languageOf(locale)).toBe(language);
  });
});
