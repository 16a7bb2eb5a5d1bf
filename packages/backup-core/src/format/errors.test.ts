import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { keyErrors } from '../keys/errors.ts';
import { ManifestError, manifestErrors } from '../manifest/errors.ts';
import { sealErrors } from '../seal/errors.ts';

const catalogue: Record<string, string> = { ...keyErrors, ...sealErrors, ...manifestErrors };

describe('the errors of the format', () => {
  it('are those that FORMAT.md lists', () => {
    const text = readFileSync(new URL('../../FORMAT.md', import.meta.url), 'utf8');
    const listed = [...text.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, code]) => code);
    expect(listed).toEqual(Object.keys(catalogue));
  });

  it.each(Object.keys(catalogue))('%s advises in one sentence', (code) => {
    expect(catalogue[code]).toMatch(/^[A-Z].*\.$/);
    expect(catalogue[code]).not.toMatch(/\n|\. [A-Z]/);
  });

  it('of the manifest name the object', () => {
    expect(
      new ManifestError('MANIFEST_GAP', 'mvan/manifest/000000000002-', 'entry 2 is missing.'),
    ).toMatchObject({
      object: 'mvan/manifest/000000000002-',
      message: 'mvan/manifest/000000000002-: entry 2 is missing.',
      advice: manifestErrors.MANIFEST_GAP,
    });
  });
});
