import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadManifestKey, makeManifestKey, publicKeyPem, verifySignature } from './manifest-key.ts';

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'manifest-key-'));
  path = join(dir, 'manifest.key');
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('the key of the manifest', () => {
  it('is made once, for its user alone, and read again', async () => {
    const made = await makeManifestKey(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const loaded = await loadManifestKey(path);
    expect(loaded.fingerprint).toBe(made.fingerprint);
    expect(loaded.fingerprint).toMatch(/^([0-9A-Z]{4}-){4}[0-9A-Z]{4}$/);
    await expect(makeManifestKey(path)).rejects.toMatchObject({ code: 'KEY_FILE_EXISTS' });
  });

  it('is refused when others could read it, and when it is another kind of file', async () => {
    await makeManifestKey(path);
    chmodSync(path, 0o640);
    await expect(loadManifestKey(path)).rejects.toMatchObject({ code: 'KEY_FILE_OPEN' });
    const other = join(dir, 'other');
    writeFileSync(other, 'no key', { mode: 0o600 });
    await expect(loadManifestKey(other)).rejects.toMatchObject({ code: 'KEY_FILE_INVALID' });
  });

  it('does not print its private half', async () => {
    const key = await makeManifestKey(path);
    const secret = readFileSync(path, 'utf8').split('\n')[1] as string;
    for (const text of [JSON.stringify(key), inspect(key, { depth: 9, showHidden: true }), String(key)])
      expect(text).not.toContain(secret.slice(-20));
  });

  it('makes signatures that openssl verifies with the public half', async () => {
    const key = await makeManifestKey(path);
    const [pub, sig, data] = ['pub', 'sig', 'data'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(pub, publicKeyPem(key.publicKey));
    writeFileSync(data, 'entry');
    writeFileSync(sig, key.sign(Buffer.from('entry')));
    const verify = ['pkeyutl', '-verify', '-pubin', '-inkey', pub, '-rawin', '-in', data, '-sigfile', sig];
    expect(execFileSync('openssl', verify, { encoding: 'utf8' })).toContain('Successfully');
    expect(verifySignature(key.publicKey, Buffer.from('entry'), readFileSync(sig))).toBe(true);
    expect(verifySignature(key.publicKey, Buffer.from('entrY'), readFileSync(sig))).toBe(false);
    expect(verifySignature('no key', Buffer.from('entry'), readFileSync(sig))).toBe(false);
  });
});
