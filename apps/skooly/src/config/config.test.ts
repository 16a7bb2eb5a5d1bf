import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { serveConfig } from './config.ts';
import { readEnv } from './env.ts';

const dir = mkdtempSync(join(tmpdir(), 'skooly-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

const cloud = generateKeyPairSync('ed25519');
const mvan = generateKeyPairSync('ed25519');
const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const spki = (key: typeof cloud) => key.publicKey.export({ type: 'spki', format: 'pem' });
const good = {
  SKOOLY_SITE: 'cloud',
  SKOOLY_DATABASE_URL: 'postgres://127.0.0.1/skooly',
  SKOOLY_LISTEN: '127.0.0.1:8080',
  SKOOLY_SESSION_KEY_FILE: file(
    'key.pem',
    cloud.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  ),
  SKOOLY_TRUSTED_KEYS_FILE: file('trusted.json', JSON.stringify([{ site: 'mvan', publicKey: spki(mvan) }])),
};

test('a whole environment becomes settings, and the own key is trusted', () => {
  const config = serveConfig(readEnv(good), () => {});
  expect(config).toMatchObject({ site: 'cloud', host: '127.0.0.1', port: 8080 });
  expect(config.keys.trusted.get('cloud')?.equals(cloud.publicKey)).toBe(true);
  expect(config.keys.trusted.get('mvan')?.equals(mvan.publicKey)).toBe(true);
  expect(config.keys.trusted.get('bonaberi')).toBeUndefined();
});

test.each([
  ['SKOOLY_SITE', undefined],
  ['SKOOLY_SITE', 'Mvan!'],
  ['SKOOLY_DATABASE_URL', 'mysql://x'],
  ['SKOOLY_LISTEN', '8080'],
  ['SKOOLY_LISTEN', '127.0.0.1:99999'],
  ['SKOOLY_SESSION_KEY_FILE', '/nowhere/key.pem'],
  ['SKOOLY_SESSION_KEY_FILE', file('not-a-key.pem', 'hello')],
  ['SKOOLY_TRUSTED_KEYS_FILE', file('not-json.json', '[')],
  ['SKOOLY_TRUSTED_KEYS_FILE', file('no-site.json', '[{"publicKey":"x"}]')],
  [
    'SKOOLY_TRUSTED_KEYS_FILE',
    file('other.json', JSON.stringify([{ site: 'cloud', publicKey: spki(mvan) }])),
  ],
])('%s = %s is refused with one sentence that names it', (name, value) => {
  const sentence = new RegExp(`^[^\n]*${name}[^\n]*[.]$`);
  expect(() => serveConfig(readEnv({ ...good, [name]: value }), () => {})).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(sentence) }),
  );
});
