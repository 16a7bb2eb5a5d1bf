import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPublicKeyText, sessionText, signatureFits } from '@skooly-edge/sync-protocol';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { adoptNextKey, nextBoxKey, readBoxKey } from './box-key.ts';
import { RelaySession } from './relay-session.ts';

let stateDir: string;
let relay: FastifyInstance;
let relayUrl: URL;
let nowMs: number;
let sessions: { campus: string; fingerprint: string; challenge: string; signature: string }[];
let refusal: { status: number; code: string } | null;

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'edge-session-'));
  nowMs = 0;
  sessions = [];
  refusal = null;
  relay = Fastify();
  relay.post('/v1/session/challenge', async () => ({
    challenge: `c${sessions.length}`,
    expiresInMs: 60_000,
  }));
  relay.post('/v1/session', async ({ body }, reply) => {
    sessions.push(body as (typeof sessions)[number]);
    if (refusal) return reply.code(refusal.status).send({ ...refusal, message: 'No.', advice: 'Do this.' });
    return { token: `t${sessions.length}`, expiresInMs: 900_000 };
  });
  await relay.listen({ host: '127.0.0.1', port: 0 });
  relayUrl = new URL(`http://127.0.0.1:${(relay.server.address() as { port: number }).port}`);
});
afterEach(async () => {
  await relay.close();
  rmSync(stateDir, { recursive: true });
});

const open = () => new RelaySession({ relayUrl, campus: 'mvan', stateDir, monotonicMs: () => nowMs });
function enrolled() {
  nextBoxKey(stateDir);
  adoptNextKey(stateDir);
  return readBoxKey(stateDir);
}

test('the box signs the challenge, its campus and its key, and callers at the same moment share one session', async () => {
  const key = enrolled();
  const session = open();
  const both = await Promise.all([session.authorization(), session.authorization()]);
  expect(both).toEqual(['Bearer t1', 'Bearer t1']);
  const { challenge, campus, fingerprint, signature } = sessions[0] as (typeof sessions)[number];
  expect({ campus, fingerprint }).toEqual({ campus: 'mvan', fingerprint: key?.fingerprint });
  const text = sessionText(challenge, campus, fingerprint);
  const x = key?.publicKey.export({ format: 'jwk' }).x as string;
  expect(signatureFits(text, signature, readPublicKeyText(x))).toBe(true);
});

test('a session takes one connection: on a long line each further one costs seconds', async () => {
  enrolled();
  const connections = new Set<number | undefined>();
  relay.server.on('connection', ({ remotePort }) => connections.add(remotePort));
  await open().authorization();
  expect(sessions).toHaveLength(1);
  expect(connections.size).toBe(1);
});

test('a session is renewed before it ends, by the monotonic clock alone', async () => {
  enrolled();
  const session = open();
  nowMs = 5_000;
  await session.authorization();
  nowMs = 5_000 + 599_999;
  expect(await session.authorization()).toBe('Bearer t1');
  nowMs = 5_000 + 600_000;
  expect(await session.authorization()).toBe('Bearer t2');
});

test('a token that the relay did not take is given up; word of an older one changes nothing', async () => {
  enrolled();
  const session = open();
  const first = await session.authorization();
  session.refused(first);
  expect(await session.authorization()).toBe('Bearer t2');
  session.refused(first);
  expect(await session.authorization()).toBe('Bearer t2');
});

test('a box without a key asks nobody, and says what to do', async () => {
  const session = open();
  await expect(session.authorization()).rejects.toMatchObject({ code: 'NOT_ENROLLED' });
  expect(session.status()).toMatchObject({
    state: 'not enrolled',
    fingerprint: null,
    problem: expect.stringContaining('skooly-edge enrol'),
  });
  enrolled();
  expect(await session.authorization()).toBe('Bearer t1');
  expect(session.status()).toMatchObject({ state: 'trusted', problem: null });
});

test.each([
  ['BOX_REVOKED', 'revoked'],
  ['BOX_PENDING', 'pending'],
  ['BOX_UNKNOWN', 'unknown'],
])('%s makes it %s, until the relay says otherwise', async (code, state) => {
  enrolled();
  const session = open();
  refusal = { status: 403, code };
  await expect(session.authorization()).rejects.toMatchObject({ code });
  expect(session.status()).toMatchObject({ state, problem: 'No. Do this.' });
  await relay.close();
  await expect(session.authorization()).rejects.toThrow();
  expect(session.status()).toMatchObject({ state });
});
