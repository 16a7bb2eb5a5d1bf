import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { maxMigrationBytes, readMigration, signMigration, verifyMigration } from './signed-migration.ts';

const release = generateKeyPairSync('ed25519');
const migration = readMigration('004-house.sql', 'ALTER TABLE pupil ADD COLUMN house text', '{"version":1}');
const signed = signMigration(migration, release.privateKey);

describe('a signed migration', () => {
  test('is accepted as it was signed', () => {
    expect(() => verifyMigration(signed, release.publicKey)).not.toThrow();
  });

  test.each([
    ['its SQL', { sql: 'DROP TABLE pupil' }],
    ['its sync map', { syncMap: '{"version":2}' }],
    ['the absence of its sync map', { syncMap: null }],
    ['its name and number', { name: '005-house.sql', number: 5 }],
    ['its signature', { signature: 'AAAA' }],
  ])('is refused when %s was changed on the way', (_what, change) => {
    expect(() => verifyMigration({ ...signed, ...change }, release.publicKey)).toThrow(
      expect.objectContaining({ code: 'MIGRATION_SIGNATURE' }),
    );
  });

  test('is refused when its number is not the one of its name', () => {
    expect(() => verifyMigration({ ...signed, number: 5 }, release.publicKey)).toThrow(
      expect.objectContaining({ code: 'MIGRATION_INVALID' }),
    );
  });

  test('is refused when another key signed it', () => {
    const other = generateKeyPairSync('ed25519').publicKey;
    expect(() => verifyMigration(signed, other)).toThrow(
      expect.objectContaining({ code: 'MIGRATION_SIGNATURE' }),
    );
  });

  test.each(['house.sql', '000-house.sql', '004-house.txt', '004-a/b.sql', '004-a\nb.sql', '../004-a.sql'])(
    'has a number and a plain name: %j is refused',
    (name) => {
      expect(() => readMigration(name, '', null)).toThrow(
        expect.objectContaining({ code: 'MIGRATION_INVALID' }),
      );
    },
  );

  test('is not larger than the limit', () => {
    expect(() => readMigration('004-a.sql', 'x'.repeat(maxMigrationBytes), null)).not.toThrow();
    expect(() => readMigration('004-a.sql', 'x'.repeat(maxMigrationBytes), 'y')).toThrow(/larger/);
  });
});
