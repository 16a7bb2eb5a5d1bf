import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from '../../../../test/support/certificates.ts';
import { readConfig } from './config.ts';
import type { RelayEnv } from './env.ts';

let dir: string;
let complete: Required<RelayEnv>;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-relay-config-'));
  const pem = { type: 'pkcs8', format: 'pem' } as const;
  const file = (name: string, content: string) => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  const dates = { notBefore: new Date(0), notAfter: new Date('2050-01-01') };
  const certificate = makeAuthority('of the group', dates).issue(['relay.example'], dates);
  file('other-key.pem', makeAuthority('x', dates).issue(['relay.example'], dates).privateKey);
  file('x25519.pem', generateKeyPairSync('x25519').privateKey.export(pem).toString());
  complete = {
    RELAY_DATABASE_URL: 'postgres://skooly_sync:secret@127.0.0.1:5432/skooly',
    RELAY_LISTEN: '127.0.0.1:8080',
    RELAY_SYNC_MAP: file('map.json', '{"version":1,"database":"skooly","tables":{}}'),
    RELAY_SIGNING_KEY_FILE: file(
      'ed25519.pem',
      generateKeyPairSync('ed25519').privateKey.export(pem).toString(),
    ),
    RELAY_TRUSTED_KEYS_FILE: '/etc/skooly/trusted-keys.json',
    RELAY_TLS_CERT_FILE: file('tls.pem', certificate.certificate),
    RELAY_TLS_KEY_FILE: file('tls-key.pem', certificate.privateKey),
    RELAY_TLS_VOUCHED_CERT_FILES: ` ${file('app.pem', certificate.certificate)}, /etc/nginx/site.pem`,
    ELECTRIC_URL: 'http://127.0.0.1:3000',
    RELAY_FEED_KEEP_DAYS: '40',
    RELAY_FEED_BUDGET_BYTES: '20000000',
    LOG_LEVEL: 'warn',
  };
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('the configuration of the relay', () => {
  it('is read when everything is there', () => {
    expect(readConfig(complete)).toMatchObject({
      databaseUrl: complete.RELAY_DATABASE_URL,
      listen: { host: '127.0.0.1', port: 8080 },
      signingKey: { asymmetricKeyType: 'ed25519' },
      electricUrl: new URL('http://127.0.0.1:3000'),
      trustedKeysFile: '/etc/skooly/trusted-keys.json',
      tls: { certFile: join(dir, 'tls.pem'), keyFile: join(dir, 'tls-key.pem') },
      vouchedCertFiles: [join(dir, 'app.pem'), '/etc/nginx/site.pem'],
      feedRetention: { keepDays: 40, budgetBytes: 20_000_000 },
      logLevel: 'warn',
    });
  });

  it('does without Electric, without TLS and without a log level', () => {
    const { ELECTRIC_URL, LOG_LEVEL, RELAY_TLS_CERT_FILE, RELAY_TLS_KEY_FILE, ...rest } = complete;
    expect(readConfig(rest)).toMatchObject({ electricUrl: null, tls: null, logLevel: 'info' });
  });

  it.each(['RELAY_DATABASE_URL', 'RELAY_LISTEN', 'RELAY_SYNC_MAP', 'RELAY_SIGNING_KEY_FILE'] as const)(
    'is refused by name when %s is missing or empty',
    (field) => {
      for (const value of [undefined, '']) {
        const env = { ...complete, [field]: value } as RelayEnv;
        expect(() => readConfig(env)).toThrow(
          expect.objectContaining({
            code: 'CONFIG_INVALID',
            message: expect.stringMatching(new RegExp(`^${field} is not set: .+\\.$`)),
          }),
        );
      }
    },
  );

  it.each([
    ['RELAY_DATABASE_URL', 'mysql://127.0.0.1/skooly'],
    ['RELAY_DATABASE_URL', 'postgres://127.0.0.1:5432'],
    ['RELAY_LISTEN', '8080'],
    ['RELAY_LISTEN', ':8080'],
    ['RELAY_LISTEN', '127.0.0.1:http'],
    ['RELAY_LISTEN', '127.0.0.1:65536'],
    ['RELAY_SIGNING_KEY_FILE', '/nowhere/key.pem'],
    ['RELAY_SIGNING_KEY_FILE', 'x25519.pem'],
    ['RELAY_TLS_CERT_FILE', '/nowhere/tls.pem'],
    ['RELAY_TLS_CERT_FILE', 'x25519.pem'],
    ['RELAY_TLS_CERT_FILE', ''],
    ['RELAY_TLS_KEY_FILE', '/nowhere/key.pem'],
    ['RELAY_TLS_KEY_FILE', 'other-key.pem'],
    ['RELAY_TLS_KEY_FILE', 'tls.pem'],
    ['RELAY_TLS_KEY_FILE', ''],
    ['ELECTRIC_URL', 'localhost'],
    ['LOG_LEVEL', 'loud'],
    ['RELAY_FEED_KEEP_DAYS', '0'],
    ['RELAY_FEED_BUDGET_BYTES', '1 GB'],
  ] as const)('is refused by name when %s is %s', (field, value) => {
    const wrong = /^[\w-]+\.pem$/.test(value) ? join(dir, value) : value;
    expect(() => readConfig({ ...complete, [field]: wrong })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(field) }),
    );
  });

  it('does not repeat the password of the database when it refuses', () => {
    const env = { ...complete, RELAY_DATABASE_URL: 'postgres://skooly_sync:secret@127.0.0.1' };
    expect(() => readConfig(env)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    );
  });
});
