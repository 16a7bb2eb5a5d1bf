import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enrolRecipient, readRecipient, recipientAlarm } from './recipient.ts';

const now = new Date('2026-11-23T03:00:00Z');
const day = 86_400;
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'keys-'));
});
afterAll(() => {
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(home, { recursive: true });
});

describe('enrolment of a key to seal for', () => {
  it('takes a key as stock gpg makes it', async () => {
    const armored = gpgKey('Stock <stock@example.org>', 'default', '2y');
    const recipient = await enrolRecipient(armored, new Date());
    expect(recipient).toMatchObject({ userId: 'Stock <stock@example.org>' });
    expect(recipient.fingerprint).toMatch(/^[0-9A-F]{40}$/);
    expect(recipient.expires).toBeInstanceOf(Date);
  });

  it('takes a key of Curve25519, also in binary, and one that never expires', async () => {
    const { publicKey } = await made({});
    const recipient = await enrolRecipient(publicKey.write(), now);
    expect(recipient).toMatchObject({
      fingerprint: publicKey.getFingerprint().toUpperCase(),
      expires: null,
    });
  });

  it('refuses what is not a key', async () => {
    await expect(enrolRecipient('hello', now)).rejects.toMatchObject({ code: 'KEY_UNREADABLE' });
  });

  it('refuses a private key, armored or binary', async () => {
    const { privateKey } = await made({});
    await expect(enrolRecipient(privateKey.armor(), now)).rejects.toMatchObject({ code: 'KEY_PRIVATE' });
    await expect(enrolRecipient(privateKey.write(), now)).rejects.toMatchObject({ code: 'KEY_PRIVATE' });
  });

  it('refuses two keys at once', async () => {
    const both = Buffer.concat([(await made({})).publicKey.write(), (await made({})).publicKey.write()]);
    await expect(enrolRecipient(both, now)).rejects.toMatchObject({ code: 'KEY_NOT_ONE' });
  });

  it('refuses an expired key, and one that expires within 90 days', async () => {
    const { publicKey } = await made({ keyExpirationTime: 100 * day });
    const enrol = (days: number) =>
      enrolRecipient(publicKey.armor(), new Date(made.at.getTime() + days * day * 1000));
    await expect(enrol(9)).resolves.toBeTruthy();
    await expect(enrol(11)).rejects.toMatchObject({ code: 'KEY_EXPIRES_SOON' });
    await expect(enrol(101)).rejects.toMatchObject({ code: 'KEY_EXPIRED' });
  });

  it('refuses a key whose subkey for encryption ends before the key does', async () => {
    const subkeys = [{ keyExpirationTime: 100 * day }];
    const { publicKey } = await made({ subkeys });
    const at = (days: number) => new Date(made.at.getTime() + days * day * 1000);
    await expect(enrolRecipient(publicKey.armor(), at(11))).rejects.toMatchObject({
      code: 'KEY_EXPIRES_SOON',
    });
    await expect(enrolRecipient(publicKey.armor(), at(101))).rejects.toMatchObject({ code: 'KEY_EXPIRED' });
  });

  it('refuses a revoked key', async () => {
    const { publicKey, revocationCertificate } = await made({});
    const revoked = await openpgp.revokeKey({ key: publicKey, revocationCertificate, format: 'armored' });
    await expect(enrolRecipient(revoked.publicKey, now)).rejects.toMatchObject({ code: 'KEY_REVOKED' });
  });

  it('refuses a key that can only sign', async () => {
    const { publicKey } = await made({ subkeys: [] });
    await expect(enrolRecipient(publicKey.armor(), now)).rejects.toMatchObject({
      code: 'KEY_CANNOT_ENCRYPT',
    });
  });

  it('refuses RSA of less than 3072 bits', async () => {
    const { publicKey } = await made({ type: 'rsa', rsaBits: 2048 });
    await expect(enrolRecipient(publicKey.armor(), now)).rejects.toMatchObject({ code: 'KEY_WEAK' });
  });

  it.each([
    ['asks for AEAD', { config: { aeadProtect: true, v6Keys: false } }],
    ['has the new kind of Curve25519', { type: 'curve25519' as const }],
    ['is of version 6', { type: 'curve25519' as const, config: { v6Keys: true } }],
  ])('refuses a key that %s: openpgp.js writes for it what this gpg does not open', async (_, how) => {
    const { publicKey, privateKey } = await made(how);
    await expect(enrolRecipient(publicKey.armor(), now)).rejects.toMatchObject({
      code: 'KEY_NEEDS_NEWER_GPG',
    });
    const message = await openpgp.createMessage({ text: 'hello' });
    const sealed = await openpgp.encrypt({ message, encryptionKeys: publicKey, date: made.at });
    expect(() => gpgOpens(privateKey.armor(), sealed)).toThrow();
  });

  it('is sure that this gpg opens what openpgp.js writes for a key that is taken', async () => {
    const { publicKey, privateKey } = await made({});
    const message = await openpgp.createMessage({ text: 'hello' });
    const sealed = await openpgp.encrypt({ message, encryptionKeys: publicKey, date: made.at });
    expect(gpgOpens(privateKey.armor(), sealed)).toBe('hello');
  });
});

describe('a key that was enrolled', () => {
  it('is still read after it has expired, and raises an alarm', async () => {
    const { publicKey } = await made({ keyExpirationTime: 100 * day });
    const recipient = await readRecipient(publicKey.armor(), made.at);
    const alarm = (days: number) =>
      recipientAlarm(recipient, new Date(made.at.getTime() + days * day * 1000));
    expect([alarm(9), alarm(11), alarm(101)]).toEqual([null, 'KEY_EXPIRES_SOON', 'KEY_EXPIRED']);
  });
});

made.at = new Date('2026-11-01T00:00:00Z');
function made(how: Partial<openpgp.KeyOptions>) {
  return openpgp.generateKey({
    type: 'ecc',
    curve: 'curve25519Legacy',
    userIDs: [{ name: 'Admin', email: 'admin@example.org' }],
    format: 'object',
    date: made.at,
    ...how,
  } as openpgp.KeyOptions & { format: 'object' });
}

function gpgKey(user: string, algorithm: string, expires: string): string {
  const batch = ['--homedir', home, '--batch', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback'];
  execFileSync('gpg', [...batch, '--quick-generate-key', user, algorithm, 'default', expires], {
    stdio: 'ignore',
  });
  return execFileSync('gpg', ['--homedir', home, '--armor', '--export', user], { encoding: 'utf8' });
}

function gpgOpens(privateKey: string, message: string): string {
  const options = { encoding: 'utf8', stdio: 'pipe' } as const;
  execFileSync('gpg', ['--homedir', home, '--batch', '--import'], { ...options, input: privateKey });
  return execFileSync('gpg', ['--homedir', home, '--batch', '--decrypt'], { ...options, input: message });
}
