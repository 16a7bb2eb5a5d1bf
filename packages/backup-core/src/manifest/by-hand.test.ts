import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryManifestStore } from '../../../../test/support/memory-manifest-store.ts';
import type { SealedObject } from '../format/object.ts';
import { manifestKeyFrom, publicKeyPem } from '../keys/manifest-key.ts';
import { readRecipient } from '../keys/recipient.ts';
import { seal } from '../seal/seal.ts';
import { ManifestWriter } from './manifest-writer.ts';

const site = 'mvan';
const format = readFileSync(new URL('../../FORMAT.md', import.meta.url), 'utf8');
/** The words of the document up to the step that needs a database. */
const words = (/```sh\n(# 1\.[\s\S]*?)# 5\./.exec(format) as RegExpExecArray)[1] as string;
const dump = 'PGDMP: what pg_dump would have written\n';
let dir: string;
let home: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'by-hand-'));
  home = join(dir, 'gnupg');
  mkdirSync(home, { mode: 0o700 });
  const userIDs = [{ name: 'Admin', email: 'admin@example.org' }];
  const opened = await generateKey({ type: 'ecc', curve: 'curve25519Legacy', userIDs, format: 'object' });
  execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--import'], {
    input: opened.privateKey.armor(),
    stdio: 'pipe',
  });
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = manifestKeyFrom(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, 'test');
  writeFileSync(join(dir, 'manifest.pub'), publicKeyPem(key.publicKey));
  const writer = await ManifestWriter.open({ site, key, dir: join(dir, 'state'), now: () => new Date() });
  const recipient = await readRecipient(opened.publicKey.armor(), new Date());
  for (const stamp of ['20261122T020000Z', '20261123T020000Z'])
    await writer.append({
      put: [await sealedDump(`${site}/dump/${stamp}-5a0c11f7.dump.zst.pgp`, recipient)],
    });
  const bucket = new MemoryManifestStore('paris');
  await writer.deliver(bucket);
  for (const [name, bytes] of bucket.files) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), bytes);
  }
});
afterAll(() => {
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(dir, { recursive: true });
});

describe('the manifest, read by the words of FORMAT.md with stock tools', () => {
  it('verifies, and gives the newest dump back', () => {
    const out = shell(`${words}\ngpg --quiet --decrypt "$name" | zstd -d > skooly.dump`);
    expect(out).toContain('Signature Verified Successfully');
    expect(out).toContain('mvan/dump/20261123T020000Z-5a0c11f7.dump.zst.pgp: OK');
    expect(out).not.toContain('does not follow');
    expect(readFileSync(join(dir, 'skooly.dump'), 'utf8')).toBe(dump);
  });

  it('shows an entry that was altered, by the chain', () => {
    const first = execFileSync('sh', ['-c', `ls ${dir}/${site}/manifest/*.json | head -n 1`], {
      encoding: 'utf8',
    });
    const text = readFileSync(first.trim(), 'utf8');
    writeFileSync(first.trim(), text.replace('5a0c11f7', '5a0c11f8'));
    expect(shell(words)).toContain('does not follow');
    writeFileSync(first.trim(), text);
  });
});

function shell(script: string): string {
  const env = { ...process.env, GNUPGHOME: home };
  return execFileSync('bash', ['-o', 'pipefail', '-c', script], {
    cwd: dir,
    env,
    encoding: 'utf8',
    stdio: 'pipe',
  });
}

async function sealedDump(
  name: string,
  recipient: Awaited<ReturnType<typeof readRecipient>>,
): Promise<SealedObject> {
  const into = join(dir, name);
  mkdirSync(dirname(into), { recursive: true });
  const sealed = await seal(Readable.from([dump]), { recipients: [recipient], into });
  const takenAt = new Date().toISOString();
  const about = { database: 'skooly', serverVersion: '15.14', takenAt, tables: [] };
  return { ...sealed, name, kind: 'dump', recipients: [recipient.fingerprint], sealedAt: takenAt, about };
}
