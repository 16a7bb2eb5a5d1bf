import { expect, test } from 'vitest';
import { type ErrorCode, errorCatalogue } from './error-catalogue.ts';
import { SkoolyError } from './errors.ts';

test('every refusal has a status and a sentence in both languages', () => {
  for (const code of Object.keys(errorCatalogue) as ErrorCode[]) {
    const error = new SkoolyError(code);
    expect(error.status).toBeGreaterThanOrEqual(400);
    const { fr, en } = { fr: error.answer('fr').message, en: error.answer('en').message };
    expect(fr).toMatch(/\.$/);
    expect(en).toMatch(/\.$/);
    expect(fr).not.toBe(en);
  }
});
