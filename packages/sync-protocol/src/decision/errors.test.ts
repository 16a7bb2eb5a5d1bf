import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DecisionError, type DecisionErrorCode, decisionErrors } from './errors.ts';

describe('a refused decision', () => {
  test.each(Object.keys(decisionErrors) as DecisionErrorCode[])('%s speaks both languages', (code) => {
    const { en, fr } = decisionErrors[code];
    const names = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
    for (const words of [en, fr]) {
      expect(words.message).toMatch(/\.$/);
      expect(words.advice).toMatch(/^[A-Z].*\.$/);
    }
    expect(names(fr.message + fr.advice)).toEqual(names(en.message + en.advice));
  });

  test('is in the manual', () => {
    const manual = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
    for (const code of Object.keys(decisionErrors)) expect(manual).toContain(`| \`${code}\``);
  });

  test('is filled in', () => {
    const error = new DecisionError('CONFLICT_UNKNOWN', { id: 'abc' });
    expect(error.message).toBe('There is no conflict abc here.');
    expect(error.in('fr').message).toBe("Aucun conflit abc n'est connu ici.");
  });
});
