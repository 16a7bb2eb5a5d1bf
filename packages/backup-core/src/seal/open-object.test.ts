import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { generateKey, type PrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import { readRecipient } from '../keys/recipient.ts';
import { openObject, verifyCipher } from './open-object.ts';
import { seal } from './seal.ts';

let dir: string;
let privateKey: PrivateKey;
let one: { object: SealedObject; cipher: Buffer; plain: Buffer };
let other: typeof one;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'open-object-'));
  const userIDs = [{ name: 'Admin', email: 'admin@example.org' }];
  ({ privateKey } = await generateKey({ curve: 'curve25519Legacy', type: 'ecc', userIDs, format: 'object' }));
  one = await sealed('one', randomBytes(300_000));
  other = await sealed('other', randomBytes(200_000));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('an object that the manifest names', () => {
  it('is opened when it is the one', async () => {
    expect((await opened(one.cipher)).equals(one.plain)).toBe(true);
  });

  it('is verified without any key', async () => {
    const cipher = await buffer(verifyCipher(Readable.from([one.cipher]), one.object));
    expect(cipher.equals(one.cipher)).toBe(true);
    await expect(
      buffer(verifyCipher(Readable.from([flipped(one.cipher, 9000)]), one.object)),
    ).rejects.toMatchObject({ code: 'OBJECT_ALTERED', message: expect.stringContaining(one.object.name) });
  });

  it.each([0, 3, 100, 1000, 150_000, 299_000])('is refused by name when byte %i was flipped', async (at) => {
    await expect(opened(flipped(one.cipher, at))).rejects.toMatchObject({
      message: expect.stringContaining(one.object.name),
    });
  });

  it.each([0, 1, 50, 200_000])('is refused by name when only %i bytes are left', async (length) => {
    await expect(opened(one.cipher.subarray(0, length))).rejects.toMatchObject({
      code: 'OBJECT_TRUNCATED',
      message: expect.stringContaining(one.object.name),
    });
  });

  it('is refused by both names when another one lies there, smaller or larger', async () => {
    for (const [here, there] of [
      [one, other],
      [other, one],
    ] as const)
      await expect(opened(there.cipher, here)).rejects.toMatchObject({
        code: 'OBJECT_SWAPPED',
        message: `${here.object.name}: under this name lies ${there.object.name}.`,
      });
  });

  it('is refused when the manifest names another plain content', async () => {
    const object = { ...one.object, plain: { ...one.object.plain, sha256: 'f'.repeat(64) } };
    await expect(opened(one.cipher, { object })).rejects.toMatchObject({ code: 'OBJECT_ALTERED' });
  });
});

function opened(cipher: Buffer, { object } = one as { object: SealedObject }): Promise<Buffer> {
  const whoHas = (sha256: string) =>
    [one.object, other.object].find((candidate) => candidate.sha256 === sha256)?.name;
  return buffer(openObject(Readable.from([cipher]), object, { kind: 'key', privateKey }, { whoHas }));
}

async function sealed(drill: string, plain: Buffer) {
  const into = join(dir, drill);
  const recipient = await readRecipient(privateKey.toPublic().armor(), new Date());
  const result = await seal(Readable.from([plain]), { recipients: [recipient], into });
  const object: SealedObject = {
    ...result,
    name: `mvan/proof/${drill}.json.zst.pgp`,
    kind: 'proof',
    recipients: [recipient.fingerprint],
    sealedAt: '2026-11-23T02:00:00Z',
    about: { drill },
  };
  return { object, cipher: readFileSync(into), plain };
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
