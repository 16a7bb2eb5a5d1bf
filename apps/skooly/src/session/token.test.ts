import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { makeSessionKeys } from './keys.fixture.ts';
import { type SessionPayload, signSession, verifySession } from './token.ts';

const now = 1_770_000_000_000;
const keysOf = makeSessionKeys(['cloud', 'mvan', 'bonaberi']);
const payload: SessionPayload = {
  staff: 's1',
  campus: 'mvan',
  role: 'teacher',
  site: 'cloud',
  exp: now / 1_000 + 60,
};

test('a token holds what was signed until it expires', () => {
  const token = signSession(payload, keysOf('cloud'));
  expect(verifySession(token, keysOf('mvan'), now)).toEqual(payload);
  expect(verifySession(token, keysOf('mvan'), now + 60_000)).toBeUndefined();
});

test('a token whose payload was changed is not believed', () => {
  const [, signature] = signSession(payload, keysOf('cloud')).split('.');
  const body = Buffer.from(JSON.stringify({ ...payload, role: 'director' })).toString('base64url');
  expect(verifySession(`${body}.${signature}`, keysOf('cloud'), now)).toBeUndefined();
});

test('a site that is not trusted any more is not believed', () => {
  const { trusted, ...own } = keysOf('cloud');
  const without = { get: (site: string) => (site === 'mvan' ? undefined : trusted.get(site)) };
  const token = signSession({ ...payload, site: 'mvan' }, keysOf('mvan'));
  expect(verifySession(token, keysOf('cloud'), now)).toEqual({ ...payload, site: 'mvan' });
  expect(verifySession(token, { ...own, trusted: without }, now)).toBeUndefined();
});

test('a campus cannot sign for another campus or in the name of the cloud', () => {
  const other = { ...payload, campus: 'bonaberi', site: 'mvan' };
  expect(verifySession(signSession(other, keysOf('mvan')), keysOf('cloud'), now)).toBeUndefined();
  expect(verifySession(signSession(payload, keysOf('mvan')), keysOf('cloud'), now)).toBeUndefined();
});

test('garbage is not a session and does not throw', () => {
  const stranger = { ...keysOf('cloud'), privateKey: generateKeyPairSync('ed25519').privateKey };
  for (const token of ['', '.', 'a.b', 'a.b.c', 'x'.repeat(5_000), signSession(payload, stranger)]) {
    expect(verifySession(token, keysOf('cloud'), now)).toBeUndefined();
  }
});
