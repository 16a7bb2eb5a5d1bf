import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readConfig, readSecret, required } from './config.ts';

const dir = mkdtempSync(join(tmpdir(), 'skooly-backup-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

const region = {
  name: 'paris',
  endpoint: 'https://s3.example',
  bucket: 'skooly',
  accessKeyId: 'AK',
  secretKeyFile: '/etc/secret',
};
const good = {
  site: 'mvan',
  regions: [region, { ...region, name: 'douala' }],
  trustedKeys: [{ publicKey: 'a'.repeat(43) }],
};
const file = join(dir, 'backup.json');
const read = (values: unknown) => {
  writeFileSync(file, typeof values === 'string' ? values : JSON.stringify(values));
  return readConfig(file);
};

test('a bare machine needs the site, the regions and the key from the kit; the policy has its usual values', () => {
  const config = read({ ...good, retention: { days: 45 } });
  expect(config).toMatchObject({ site: 'mvan', retention: { days: 45, archiveYears: 10 } });
});

test.each([
  ['site', { ...good, site: 'Mvan !' }],
  ['site', { regions: good.regions, trustedKeys: good.trustedKeys }],
  ['regions', { ...good, regions: [] }],
  ['regions', { ...good, regions: [region, region] }],
  ['regions.1.endpoint', { ...good, regions: [region, { ...region, endpoint: 's3.example' }] }],
  ['regions.0.bucket', { ...good, regions: [{ ...region, bucket: undefined }] }],
  ['regions.0.secretKeyFile', { ...good, regions: [{ ...region, secretKeyFile: 'here' }] }],
  ['regions.0.secret', { ...good, regions: [{ ...region, secret: 'x' }] }],
  ['trustedKeys', { ...good, trustedKeys: undefined }],
  ['trustedKeys.0.publicKey', { ...good, trustedKeys: [{ publicKey: 'short' }] }],
  ['recipients', { ...good, recipients: [{ file: '/a', enrolledAt: '2026-11-23T00:00:00Z' }] }],
  ['retention.days', { ...good, retention: { days: 2 } }],
  ['spoolBytes', { ...good, spoolBytes: 3 }],
  ['sites', { ...good, sites: 'x' }],
])('%s is refused by its name, with the fix', (field, values) => {
  expect(() => read(values)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      field,
      message: expect.stringMatching(/^\S+ .+: .+\.$/),
    }),
  );
});

test('a file that is missing or no JSON is refused', () => {
  expect(() => readConfig(join(dir, 'nowhere.json'))).toThrow('does not exist');
  expect(() => read('{"site": ')).toThrow('cannot be read');
});

test('what a command needs beyond that is asked for by name', () => {
  expect(() => required(read(good), 'databaseUrlFile')).toThrow('databaseUrlFile is not set: name a file');
});

test('a secret that others can read is refused', () => {
  const secret = join(dir, 'secret');
  writeFileSync(secret, 'hush\n', { mode: 0o600 });
  expect(readSecret('regions.0.secretKeyFile', secret)).toBe('hush');
  chmodSync(secret, 0o644);
  expect(() => readSecret('regions.0.secretKeyFile', secret)).toThrow('which others can read');
});
