import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { signSession, verifySession } from './token.ts';
import { TrustedKeysFile } from './trusted-keys.ts';

const cloud = generateKeyPairSync('ed25519');
const mvan = generateKeyPairSync('ed25519');
const now = 1_770_000_000_000;
const payload = { staff: 's1', campus: 'mvan', role: 'teacher', exp: now / 1_000 + 60 };
let dir: string;
let path: string;
let problems: Error[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-trusted-'));
  path = join(dir, 'trusted.json');
  problems = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

function trust(keys: Record<string, KeyObject>): void {
  const list = Object.entries(keys).map(([site, key]) => ({
    site,
    publicKey: key.export({ type: 'spki', format: 'pem' }),
  }));
  writeFileSync(path, JSON.stringify(list));
}

function open() {
  const own = { site: 'cloud', key: cloud.publicKey };
  const trusted = new TrustedKeysFile({ path, own, onProblem: (error) => problems.push(error) });
  const keys = { site: 'cloud', privateKey: cloud.privateKey, trusted };
  const byBox = signSession({ ...payload, site: 'mvan' }, { ...keys, privateKey: mvan.privateKey });
  const byCloud = signSession({ ...payload, site: 'cloud' }, keys);
  return {
    believesBox: () => verifySession(byBox, keys, now) !== undefined,
    believesOwn: () => verifySession(byCloud, keys, now) !== undefined,
  };
}

test('a session that a box signed is worth nothing as soon as the box is off the file, and good when it is back', () => {
  trust({ mvan: mvan.publicKey });
  const skooly = open();
  expect(skooly.believesBox()).toBe(true);
  trust({});
  expect(skooly.believesBox()).toBe(false);
  expect(skooly.believesOwn()).toBe(true);
  trust({ mvan: mvan.publicKey });
  expect(skooly.believesBox()).toBe(true);
  expect(problems).toEqual([]);
});

test('while the file cannot be read, only its own sessions are believed, and that is said once', () => {
  trust({ mvan: mvan.publicKey });
  const skooly = open();
  writeFileSync(path, '[');
  expect([skooly.believesBox(), skooly.believesBox(), skooly.believesOwn()]).toEqual([false, false, true]);
  expect(problems).toHaveLength(1);
  rmSync(path);
  expect([skooly.believesBox(), skooly.believesOwn()]).toEqual([false, true]);
  trust({ mvan: mvan.publicKey });
  expect(skooly.believesBox()).toBe(true);
});
