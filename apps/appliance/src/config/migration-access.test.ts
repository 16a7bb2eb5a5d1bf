import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { readMigrationAccess } from './migration-access.ts';

const url = 'postgres://owner:hunter2@127.0.0.1:5432/skooly';
const { publicKey } = generateKeyPairSync('ed25519');
const readPublicKey = () => publicKey;

test('a box that was given neither connection nor key does not follow the schema by itself', () => {
  expect(readMigrationAccess({}, readPublicKey)).toBeNull();
});

test('the connection and the key go together, and the connection does not print', () => {
  const values = { EDGE_MIGRATION_DATABASE_URL: url, EDGE_RELEASE_PUBLIC_KEY_FILE: '/release.pem' };
  const access = readMigrationAccess(values, readPublicKey);
  expect(access?.databaseUrl.reveal()).toBe(url);
  expect(inspect(access, { depth: 9 })).not.toContain('hunter2');
});

test.each([
  ['EDGE_RELEASE_PUBLIC_KEY_FILE', { EDGE_MIGRATION_DATABASE_URL: url }],
  ['EDGE_MIGRATION_DATABASE_URL', { EDGE_RELEASE_PUBLIC_KEY_FILE: '/release.pem' }],
])('one without the other is refused: %s is missing', (field, values) => {
  expect(() => readMigrationAccess(values, readPublicKey)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', field }),
  );
});
