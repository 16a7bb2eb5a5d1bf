import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { makeAuthority } from '../../../../test/support/certificates.ts';
import { readConfig } from './config.ts';

const dir = mkdtempSync(join(tmpdir(), 'edge-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

const file = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const ed25519 = generateKeyPairSync('ed25519');
const publicPem = ed25519.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const privatePem = ed25519.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const otherPem = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
const authority = makeAuthority('of the group', {
  notBefore: new Date(0),
  notAfter: new Date('2060-01-01'),
}).certificate;
const syncMap = {
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus_id', policy: 'newest' } },
};
mkdirSync(join(dir, 'folder'));

const good = {
  EDGE_CAMPUS: 'mvan',
  EDGE_STATE_DIR: join(dir, 'not-there-yet'),
  EDGE_DATABASE_URL: 'postgres://skooly_sync:hunter2@127.0.0.1:5432/skooly',
  EDGE_SYNC_MAP: file('sync-map.json', JSON.stringify(syncMap)),
  EDGE_RELAY_URL: 'http://127.0.0.1:8080',
  EDGE_CLOUD_PUBLIC_KEY_FILE: file('public.pem', publicPem),
  EDGE_GATEWAY_LISTEN: '0.0.0.0:8000',
  EDGE_ADMIN_LISTEN: '127.0.0.1:8090',
  EDGE_CLOUD_APP_URL: 'https://skooly.example',
  EDGE_LOCAL_APP_URL: 'http://127.0.0.1:3000',
};

test('a whole environment becomes the configuration, with defaults for what it leaves out', () => {
  const config = readConfig(good);
  expect(config).toMatchObject({
    campus: 'mvan',
    policy: 'fallback',
    gatewayListen: { host: '0.0.0.0', port: 8000 },
    fenceMaxMs: 5_000,
    appCheck: true,
    logLevel: 'info',
    link: {
      intervalMs: 5_000,
      missesToLocal: 3,
      refusalsToLocal: 2,
      hitsToCatchUp: 5,
      brownOut: { lossRatio: 0.4, p95Ms: 3_000, windowMs: 30_000 },
      holdDown: { minMs: 60_000, maxMs: 900_000 },
    },
  });
  expect(config.probeUrls.map(String)).toEqual(['http://127.0.0.1:8080/']);
});

test('timings, further probe URLs and an IPv6 address are taken from the environment', () => {
  const config = readConfig({
    ...good,
    EDGE_LINK_INTERVAL_MS: '300',
    EDGE_LINK_HOLD_DOWN_MIN_MS: '0',
    EDGE_PROBE_URLS: 'http://10.0.0.1:8080, https://relay.example/edge',
    EDGE_ADMIN_LISTEN: '[::1]:8090',
    EDGE_LINK_APP_CHECK: 'off',
  });
  expect(config.link).toMatchObject({ intervalMs: 300, suspectIntervalMs: 300, holdDown: { minMs: 0 } });
  expect(config.probeUrls).toHaveLength(3);
  expect(config.adminListen).toEqual({ host: '::1', port: 8090 });
  expect(config.appCheck).toBe(false);
});

test('secrets do not print', () => {
  const config = readConfig(good);
  const printed = `${JSON.stringify(config)} ${inspect(config, { depth: 5 })} ${config.databaseUrl}`;
  expect(printed).not.toContain('hunter2');
});

test.each([
  ['EDGE_CAMPUS', undefined],
  ['EDGE_CAMPUS', ''],
  ['EDGE_CAMPUS', 'Mvan !'],
  ['EDGE_CAMPUS', 'cloud'],
  ['EDGE_STATE_DIR', file('state-is-a-file', '')],
  ['EDGE_DATABASE_URL', 'mysql://root:hunter2@x/y'],
  ['EDGE_DATABASE_URL', 'postgres://127.0.0.1'],
  ['EDGE_SYNC_MAP', join(dir, 'nowhere.json')],
  ['EDGE_SYNC_MAP', join(dir, 'folder')],
  ['EDGE_RELAY_URL', 'relay.example:8080'],
  ['EDGE_CLOUD_PUBLIC_KEY_FILE', file('not-a-key.pem', 'hello')],
  ['EDGE_CLOUD_PUBLIC_KEY_FILE', file('private.pem', privatePem)],
  ['EDGE_CLOUD_PUBLIC_KEY_FILE', file('other-kind.pem', otherPem)],
  ['EDGE_CLOUD_CA_FILE', join(dir, 'nowhere.pem')],
  ['EDGE_CLOUD_CA_FILE', file('no-certificate.pem', publicPem)],
  ['EDGE_CLOUD_CA_FILE', file('damaged.pem', authority.replace(/.{40}\n-----END/, '\n-----END'))],
  ['EDGE_GATEWAY_LISTEN', '8000'],
  ['EDGE_GATEWAY_LISTEN', '127.0.0.1:99999'],
  ['EDGE_ADMIN_LISTEN', '0.0.0.0:8000'],
  ['EDGE_LOCAL_APP_URL', 'https://skooly.example'],
  ['EDGE_GATEWAY_POLICY', 'cloud-first'],
  ['EDGE_PROBE_URLS', 'http://a, ftp://b'],
  ['EDGE_LINK_INTERVAL_MS', '5s'],
  ['EDGE_LINK_INTERVAL_MS', '0'],
  ['EDGE_LINK_MISSES', '2.5'],
  ['EDGE_LINK_HOLD_DOWN_MIN_MS', '1800000'],
  ['EDGE_LINK_MISES', '3'],
  ['EDGE_GATEWAY_TIMEOUT', '3'],
  ['LOG_LEVEL', 'loud'],
])('%s = %s is refused with one sentence that names it and the fix', (name, value) => {
  const refused = () => readConfig({ ...good, [name]: value });
  expect(refused).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      field: name,
      message: expect.stringMatching(new RegExp(`^${name} [^\n]+: [^\n]+[.]$`)),
      advice: expect.stringMatching(/^[A-Z].*[.]$/),
    }),
  );
  expect(refused).not.toThrow(/hunter2/);
});

test('the authorities of the cloud are the public ones, or those of a file alone', () => {
  expect(readConfig(good).cloudCa).toBeNull();
  const several = `${authority}${authority}`;
  const EDGE_CLOUD_CA_FILE = file('authorities.pem', several);
  expect(readConfig({ ...good, EDGE_CLOUD_CA_FILE }).cloudCa).toBe(several);
});

test('the log and the disk have their bounds', () => {
  const day = 24 * 3_600_000;
  expect(readConfig(good).storage).toMatchObject({
    retention: { keepMs: 35 * day, budgetBytes: 1024 ** 3 },
    disk: { warnBytes: 4 * 1024 ** 3, trimBytes: 2 * 1024 ** 3, refuseBytes: 512 * 1024 ** 2 },
    diskFolders: [],
  });
  const folders = { EDGE_DISK_FOLDERS: '/var/lib/postgresql, /srv/skooly' };
  expect(readConfig({ ...good, ...folders }).storage.diskFolders).toEqual([
    '/var/lib/postgresql',
    '/srv/skooly',
  ]);
});

test.each([
  ['EDGE_DISK_TRIM_BYTES', '9999999999', 'EDGE_DISK_WARN_BYTES'],
  ['EDGE_DISK_REFUSE_BYTES', '3000000000', 'EDGE_DISK_TRIM_BYTES'],
  ['EDGE_DISK_BALLAST_BYTES', '536870912', 'a fifth of EDGE_DISK_REFUSE_BYTES'],
  ['EDGE_DISK_FOLDERS', 'relative/path', 'folders'],
  ['EDGE_LOG_BUDGET', '1', 'EDGE_LOG_BUDGET'],
])('%s=%s is refused, with %s in the sentence', (field, value, sentence) => {
  expect(() => readConfig({ ...good, [field]: value })).toThrow(sentence);
});
