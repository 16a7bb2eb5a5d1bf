import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { zstdDecompressSync } from 'node:zlib';
import * as openpgp from 'openpgp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { unlockPrivateKey } from '../keys/private-key.ts';
import { enrolRecipient, type Recipient } from '../keys/recipient.ts';
import { type Decryptor, openSealed } from './open.ts';
import { seal } from './seal.ts';

const enrolled = new Date('2026-11-02T00:00:00Z');
let dir: string;
let home: string;
let into: string;
let admin: Awaited<ReturnType<typeof key>>;
let recovery: Awaited<ReturnType<typeof key>>;
let stranger: Awaited<ReturnType<typeof key>>;
let recipients: Recipient[];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'seal-'));
  home = join(dir, 'gnupg');
  execFileSync('mkdir', ['-m', '700', home]);
  [admin, recovery, stranger] = await Promise.all([
    key({ type: 'ecc', curve: 'curve25519Legacy' }),
    key({ type: 'rsa', rsaBits: 3072 }),
    key({ type: 'ecc', curve: 'curve25519Legacy' }),
  ]);
  recipients = [admin.recipient, recovery.recipient];
  execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--import'], {
    input: recovery.privateKey.armor(),
    stdio: 'pipe',
  });
});
afterAll(() => {
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(dir, { recursive: true });
});
let files = 0;
beforeEach(() => {
  files += 1;
  into = join(dir, `${files}.pgp`);
});

const contents: [string, Buffer][] = [
  ['nothing', Buffer.alloc(0)],
  ['one byte', Buffer.of(7)],
  ['a few lines', Buffer.from('1\tAmina\n2\tBoris\n')],
  ['exactly one chunk of a packet', randomBytes(2 ** 20)],
  ['several chunks that do not compress', randomBytes(3 * 2 ** 20 + 17)],
  [
    'a WAL segment that is nearly empty',
    Buffer.concat([randomBytes(9000), Buffer.alloc(16 * 2 ** 20 - 9000)]),
  ],
];

describe('a sealed file', () => {
  it.each(contents)('of %s is opened by gpg --decrypt | zstd -d', async (_, plain) => {
    await seal(Readable.from([plain]), { recipients, into });
    const packed = gpg(['--decrypt', into]);
    expect(
      execFileSync('zstd', ['-d', '-q', '-c'], { input: packed, maxBuffer: 2 ** 27 }).equals(plain),
    ).toBe(true);
  });

  it.each(contents)('of %s is opened by each recipient, in process', async (_, plain) => {
    await seal(Readable.from([plain]), { recipients, into });
    for (const { privateKey } of [admin, recovery])
      expect((await opened(into, { kind: 'key', privateKey })).equals(plain)).toBe(true);
  });

  it('is opened through the agent of gpg', async () => {
    const plain = randomBytes(2 ** 21);
    await seal(Readable.from([plain]), { recipients, into });
    expect((await opened(into, { kind: 'gpg', home })).equals(plain)).toBe(true);
  });

  it('is opened by openpgp.js as a whole', async () => {
    const plain = randomBytes(1_500_000);
    await seal(Readable.from([plain]), { recipients, into });
    const message = await openpgp.readMessage({ binaryMessage: new Uint8Array(readFileSync(into)) });
    const { data } = await openpgp.decrypt({ message, decryptionKeys: admin.privateKey, format: 'binary' });
    expect(zstdDecompressSync(data).equals(plain)).toBe(true);
  });

  it('is counted and hashed, before and after, and readable by its user alone', async () => {
    const plain = randomBytes(100_000);
    const sealed = await seal(Readable.from([plain]), { recipients, into });
    const cipher = readFileSync(into);
    expect(sealed).toEqual({
      bytes: cipher.length,
      sha256: sha256(cipher),
      plain: { bytes: plain.length, sha256: sha256(plain) },
    });
    expect(statSync(into).mode & 0o777).toBe(0o600);
  });

  it('never replaces another file', async () => {
    writeFileSync(into, 'there');
    await expect(seal(Readable.from(['x']), { recipients, into })).rejects.toMatchObject({
      code: 'SEAL_TARGET_EXISTS',
    });
    expect(readFileSync(into, 'utf8')).toBe('there');
  });

  it('is not made without a recipient', async () => {
    await expect(seal(Readable.from(['x']), { recipients: [], into })).rejects.toMatchObject({
      code: 'SEAL_NO_RECIPIENTS',
    });
  });

  it('is gone when its source fails, and the error is that of the source', async () => {
    const source = Readable.from(
      (async function* () {
        yield randomBytes(2 ** 21);
        throw new Error('pg_dump ended with 1');
      })(),
    );
    await expect(seal(source, { recipients, into })).rejects.toThrow('pg_dump ended with 1');
    expect(existsSync(into)).toBe(false);
  });

  it('is gone when it is aborted', async () => {
    const abort = new AbortController();
    const source = new Readable({ read() {} });
    source.push('beginning');
    const sealing = seal(source, { recipients, into, signal: abort.signal });
    abort.abort();
    await expect(sealing).rejects.toMatchObject({ name: 'AbortError' });
    expect(source.destroyed).toBe(true);
    expect(existsSync(into)).toBe(false);
  });
});

describe('what another program encrypted', () => {
  it.each([['AES256'], ['AES128']])('is opened: gpg without compression, %s', async (cipher) => {
    const plain = randomBytes(70_000);
    const packed = execFileSync('zstd', ['-q', '-c'], { input: plain });
    const to = ['--trust-model', 'always', '--recipient', recovery.recipient.fingerprint];
    writeFileSync(into, gpg([...to, '-z', '0', '--cipher-algo', cipher, '--encrypt'], packed));
    expect((await opened(into, { kind: 'key', privateKey: recovery.privateKey })).equals(plain)).toBe(true);
  });

  it('is refused with advice where OpenPGP compressed it', async () => {
    const packed = execFileSync('zstd', ['-q', '-c'], { input: Buffer.alloc(70_000, 'text') });
    const to = ['--trust-model', 'always', '--recipient', recovery.recipient.fingerprint];
    writeFileSync(into, gpg([...to, '-z', '6', '--compress-algo', 'zlib', '--encrypt'], packed));
    const opening = opened(into, { kind: 'key', privateKey: recovery.privateKey });
    await expect(opening).rejects.toMatchObject({ code: 'SEAL_UNSUPPORTED' });
  });
});

describe.each<[string, () => Decryptor, () => Decryptor]>([
  [
    'in process',
    () => ({ kind: 'key', privateKey: recovery.privateKey }),
    () => ({ kind: 'key', privateKey: stranger.privateKey }),
  ],
  ['by gpg', () => ({ kind: 'gpg', home }), () => ({ kind: 'gpg', home })],
])('opening %s', (how, decryptor, wrong) => {
  let cipher: Buffer;
  beforeEach(async () => {
    await seal(Readable.from([randomBytes(2_500_000)]), { recipients, into });
    cipher = readFileSync(into);
  });

  it('names a wrong key', async () => {
    const other = how === 'by gpg' ? [stranger.recipient] : recipients;
    const file = join(dir, `${files}-other.pgp`);
    await seal(Readable.from(['hello']), { recipients: other, into: file });
    await expect(opened(file, wrong())).rejects.toMatchObject({ code: 'SEAL_WRONG_KEY' });
  });

  it.each([0.2, 0.5, 0.9, 0.999999])(
    'ends in an error when a byte was flipped at %f of the file',
    async (at) => {
      const flipped = Buffer.from(cipher);
      const position = Math.floor(at * cipher.length);
      flipped[position] = (flipped[position] as number) ^ 1;
      await expect(openedBytes(flipped, decryptor())).rejects.toMatchObject({ code: 'SEAL_ALTERED' });
    },
  );

  it.each([1, 21, 22, 23, 1000, 1_300_000])(
    'ends in an error when the last %i bytes are missing',
    async (missing) => {
      const cut = openedBytes(cipher.subarray(0, -missing), decryptor());
      await expect(cut).rejects.toMatchObject({ code: expect.stringMatching(/^SEAL_(TRUNCATED|ALTERED)$/) });
    },
  );

  it('ends in an error when something was added', async () => {
    const longer = Buffer.concat([cipher, Buffer.from('more')]);
    await expect(openedBytes(longer, decryptor())).rejects.toMatchObject({
      code: expect.stringMatching(/^SEAL_/),
    });
  });

  it('hands on the error of what it reads', async () => {
    const source = Readable.from(
      (async function* () {
        yield cipher.subarray(0, 2 ** 20);
        throw new Error('the region went away');
      })(),
    );
    await expect(buffer(openSealed(source, decryptor()))).rejects.toThrow('the region went away');
  });

  it('ends its source when nobody wants the rest', async () => {
    const source = createReadStream(into, { highWaterMark: 1024 });
    const plain = openSealed(source, decryptor());
    for await (const _ of plain) break;
    await expect.poll(() => source.destroyed).toBe(true);
  });
});

describe('a private key file', () => {
  it('is unlocked by its passphrase, and by no other', async () => {
    const file = join(dir, 'locked.asc');
    const locked = await openpgp.encryptKey({ privateKey: admin.privateKey, passphrase: 'deux mots' });
    writeFileSync(file, locked.armor());
    await expect(unlockPrivateKey(file, async () => 'Deux mots')).rejects.toMatchObject({
      code: 'SEAL_PASSPHRASE',
    });
    const privateKey = await unlockPrivateKey(file, async () => 'deux mots');
    await seal(Readable.from(['hello']), { recipients, into });
    expect((await opened(into, { kind: 'key', privateKey })).toString()).toBe('hello');
  });

  it('is told from a public one', async () => {
    const file = join(dir, 'public.asc');
    writeFileSync(file, admin.privateKey.toPublic().armor());
    await expect(unlockPrivateKey(file, async () => '')).rejects.toMatchObject({ code: 'KEY_NOT_PRIVATE' });
  });
});

async function key(how: Partial<openpgp.KeyOptions>) {
  const { privateKey } = await openpgp.generateKey({
    userIDs: [{ name: 'Somebody', email: 'somebody@example.org' }],
    date: new Date('2026-11-01T00:00:00Z'),
    format: 'object',
    ...how,
  } as openpgp.KeyOptions & { format: 'object' });
  return { privateKey, recipient: await enrolRecipient(privateKey.toPublic().armor(), enrolled) };
}

function gpg(args: string[], input?: Buffer): Buffer {
  const options = { maxBuffer: 2 ** 27, stdio: 'pipe', ...(input && { input }) } as const;
  return execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', ...args], options);
}

function opened(path: string, decryptor: Decryptor): Promise<Buffer> {
  return buffer(openSealed(createReadStream(path), decryptor));
}

function openedBytes(bytes: Buffer, decryptor: Decryptor): Promise<Buffer> {
  return buffer(openSealed(Readable.from([bytes]), decryptor));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
