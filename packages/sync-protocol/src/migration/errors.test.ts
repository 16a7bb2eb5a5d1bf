import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type MigrationErrorCode, migrationErrors } from './errors.ts';

const protocol = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8');
const codes = Object.keys(migrationErrors) as MigrationErrorCode[];

describe('the codes of migrations', () => {
  test.each(codes)('%s advises in a sentence', (code) => {
    expect(migrationErrors[code]).toMatch(/^[A-Z].*\.$/);
  });

  test('are those that PROTOCOL.md names', () => {
    const named = [...protocol.matchAll(/^\| `(MIGRATION_[A-Z_]+)`/gm)].map(([, code]) => code);
    expect(named.sort()).toEqual([...codes].sort());
  });
});
