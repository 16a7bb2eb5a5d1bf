import { randomBytes } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateKey, readKey, readPrivateKey } from 'openpgp';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { sessionKeys } from '../seal/open.ts';
import { sessionFor } from '../seal/session.ts';
import type { PlainBytes } from '../source/plain.ts';
import { ByteThread } from './byte-thread.ts';
import type { Sink } from './sink.ts';

const signal = new AbortController().signal;
let dir: string;
let thread: ByteThread;
let keys: { publicKey: string; privateKey: string };
let file: string;
let into: string;
let opened: string;
const content = Buffer.concat([randomBytes(3_000_000), Buffer.alloc(2_000_000, 'pupil')]);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'byte-thread-'));
  thread = new ByteThread();
  keys = await generateKey({ type: 'ecc', userIDs: [{ name: 'a', email: 'a@example.org' }] });
  file = join(dir, 'content');
  writeFileSync(file, content);
});
afterAll(async () => {
  await thread[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});
let count = 0;
beforeEach(() => {
  count += 1;
  into = join(dir, `${count}.pgp`);
  opened = join(dir, `${count}.opened`);
});

async function sealed(plain: PlainBytes = { from: 'file', path: file }, until = signal) {
  const key = await readKey({ armoredKey: keys.publicKey });
  const recipient = { key, enrolledAt: new Date(), fingerprint: 'A' };
  const session = await sessionFor([recipient as never]);
  return await thread.seal({ plain, session, into }, until);
}

async function open(object: { bytes: number; sha256: string; plain: never }, cipher: Readable, sink?: Sink) {
  const privateKey = await readPrivateKey({ armoredKey: keys.privateKey });
  const asked = {
    unlock: (packets: Uint8Array) => sessionKeys(packets, privateKey),
    whoHas: (sha256: string) => (sha256 === object.sha256 ? 'itself' : 'another'),
  };
  return await thread.open(cipher, {
    object: { ...object, name: 'an object', recipients: ['A'] },
    sink: sink ?? { to: 'file', path: opened },
    asked,
    signal,
  });
}

function program(script: string): PlainBytes {
  return {
    from: 'program',
    program: { path: '/bin/sh', args: ['-c', script], env: {}, stallMs: 60_000 },
    isBase: false,
  };
}

test('what is sealed there is opened there, into a file and into a program', async () => {
  const { sealed: object, md5 } = await sealed();
  expect(object.plain.bytes).toBe(content.length);
  expect(md5).toMatch(/^[0-9a-f]{32}$/);
  await open(object as never, createReadStream(into));
  expect(readFileSync(opened).equals(content)).toBe(true);
  const sink: Sink = { to: 'program', path: 'wc', args: ['-c'], owner: {} };
  const ended = await open(object as never, createReadStream(into), sink);
  expect(ended).toMatchObject({ code: 0, words: `${content.length}\n` });
});

test('several at once do not mix', async () => {
  const { sealed: object } = await sealed();
  const paths = [1, 2, 3].map((n) => `${opened}.${n}`);
  await Promise.all(paths.map((path) => open(object as never, createReadStream(into), { to: 'file', path })));
  for (const path of paths) expect(readFileSync(path).equals(content)).toBe(true);
});

test('a program that fails is told with its own words, and nothing stays', async () => {
  await expect(sealed(program('echo half; echo no such table >&2; exit 3'))).rejects.toMatchObject({
    name: 'SourceError',
    code: 'SOURCE_FAILED',
    advice: expect.any(String),
    message: expect.stringMatching(/code 3: no such table/),
  });
  expect(existsSync(into)).toBe(false);
});

test('a file that is not there, and a place that is taken, are told as what they are', async () => {
  await expect(sealed({ from: 'file', path: join(dir, 'nowhere') })).rejects.toMatchObject({
    code: 'ENOENT',
  });
  writeFileSync(into, '');
  await expect(sealed()).rejects.toMatchObject({ name: 'SealError', code: 'SEAL_TARGET_EXISTS' });
});

test('sealing that is called off leaves nothing behind', async () => {
  const stop = new AbortController();
  const work = sealed(program('echo beginning; exec sleep 60'), stop.signal);
  setTimeout(() => stop.abort(new Error('told to stop')), 100);
  await expect(work).rejects.toThrow('told to stop');
  expect(existsSync(into)).toBe(false);
});

test.each([
  ['flipped', 'OBJECT_SWAPPED', (bytes: Buffer) => bytes.fill(bytes.readUInt8(9_000) ^ 1, 9_000, 9_001)],
  ['cut off', 'OBJECT_ALTERED', (bytes: Buffer) => bytes.subarray(0, -1)],
])('an object that is %s is refused by name', async (_what, code, change) => {
  const { sealed: object } = await sealed();
  const changed = change(readFileSync(into));
  await expect(open(object as never, Readable.from([changed], { objectMode: false }))).rejects.toMatchObject({
    name: 'SealError',
    code: expect.stringMatching(new RegExp(`OBJECT_(ALTERED|SWAPPED|TRUNCATED)|${code}`)),
    message: expect.stringMatching(/an object/),
  });
});

test('an error of what is read comes through as it is, and the thread goes on', async () => {
  const { sealed: object } = await sealed();
  const broken = new Error('the link broke');
  const cipher = Readable.from(
    (async function* () {
      yield readFileSync(into).subarray(0, 600_000);
      throw broken;
    })(),
    { objectMode: false },
  );
  await expect(open(object as never, cipher)).rejects.toBe(broken);
  await open(object as never, createReadStream(into));
  expect(readFileSync(opened).equals(content)).toBe(true);
});
