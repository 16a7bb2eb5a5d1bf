import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeBatch,
  fingerprintOf,
  parseSyncMap,
  prepareSite,
  sessionConfig,
  sessionText,
  signText,
  syncRole,
} from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../../../test/lab/ports/free-port.ts';
import { until } from '../../../../test/support/chain.ts';
import { type StandInElectric, startElectric } from '../../../../test/support/electric.ts';
import { createDatabase, type TestDatabase } from '../../../../test/support/postgres.ts';
import { sessionOf, trustBox } from '../../../../test/support/trust.ts';
import { readBoxKey } from '../../../appliance/src/enrol/box-key.ts';
import { askToEnrol, waitForConfirmation } from '../../../appliance/src/enrol/enrol.ts';
import { RelayClient } from '../../../appliance/src/relay-client/relay-client.ts';
import { runRelay } from '../relay.ts';
import { confirm, maxPairingAttempts, pair, revoke, waitingBox } from './enrol.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.pupil': { scope: 'campus', policy: 'newest' } },
});
const password = 'chain-test';
const stop = new AbortController();
const logged: Record<string, unknown>[] = [];
const logger = pino({ level: 'warn' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
const by = 'Marie Nkeng';
let database: TestDatabase;
let cloud: Client;
let electric: StandInElectric;
/** Two relays of one database; the second has a real Electric behind it. */
let urls: URL[];
let relays: Promise<void>[];
let dir: string;
let trustedKeysFile: string;
let boxes = 0;

beforeAll(async () => {
  database = await createDatabase('enrol');
  dir = mkdtempSync(join(tmpdir(), 'skooly-enrol-'));
  trustedKeysFile = join(dir, 'trusted-keys.json');
  writeFileSync(trustedKeysFile, '[]');
  cloud = new Client(sessionConfig(database.url, { applicationName: 'enrol test' }));
  await cloud.connect();
  await cloud.query('CREATE TABLE pupil (id text PRIMARY KEY, campus text NOT NULL, name text)');
  await prepareSite({ adminUrl: database.url, site: 'cloud', syncMap, password });
  const databaseUrl = Object.assign(new URL(database.url), { username: syncRole, password }).href;
  electric = await startElectric(databaseUrl);
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const ports = [await freePort(), await freePort()];
  urls = ports.map((port) => new URL(`http://127.0.0.1:${port}`));
  relays = ports.map((port, index) => {
    const listen = { host: '127.0.0.1', port };
    const electricUrl = index === 0 ? null : electric.url;
    const config = {
      databaseUrl,
      listen,
      syncMap,
      signingKey,
      electricUrl,
      trustedKeysFile,
      logLevel: 'warn',
    };
    return runRelay(config, logger, stop.signal);
  });
  for (const url of urls)
    await until(async () => (await ask(url, '/v1/sync').catch(() => null))?.status === 401);
});
afterAll(async () => {
  stop.abort(new Error('over'));
  await Promise.all(relays);
  await electric.close();
  await cloud.end();
  await database.drop();
  rmSync(dir, { recursive: true });
});
beforeEach(() => {
  logged.length = 0;
});

const relayUrl = (index = 0) => urls[index] as URL;
const newFolder = () => join(dir, `box-${++boxes}`);

async function ask(url: URL, path: string, init: RequestInit = {}) {
  const response = await fetch(new URL(path, url), init);
  const text = await response.text();
  return { status: response.status, answer: text.startsWith('{') ? JSON.parse(text) : text };
}

const post = (path: string, body: object, index = 0) =>
  ask(relayUrl(index), path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

async function trusted(campus: string) {
  const stateDir = newFolder();
  const fingerprint = await trustBox(cloud, campus, stateDir);
  const session = sessionOf(relayUrl(), campus, stateDir);
  return { campus, stateDir, fingerprint, session, authorization: await session.authorization() };
}

type TrustedBox = Awaited<ReturnType<typeof trusted>>;

async function signed({
  campus,
  fingerprint,
  stateDir,
}: Pick<TrustedBox, 'campus' | 'fingerprint' | 'stateDir'>) {
  const { answer } = await post('/v1/session/challenge', { campus, fingerprint });
  const { privateKey } = readBoxKey(stateDir) as NonNullable<ReturnType<typeof readBoxKey>>;
  const signature = signText(sessionText(answer.challenge, campus, fingerprint), privateKey);
  return { campus, fingerprint, challenge: answer.challenge as string, signature };
}

async function pushOne(authorization: string, campus: string, tamper = (body: Buffer) => body) {
  const after = { id: `${campus}-${Math.random()}`, campus, name: 'n' };
  const change = { table: 'public.pupil', key: { id: after.id }, op: 'insert', before: null, after };
  const transaction = JSON.stringify({ seq: 1, committedAt: Date.now() * 1_000, changes: [change] });
  const batch = Buffer.from(await encodeBatch({ epoch: `e-${Math.random()}` }, [transaction]));
  const before = await count();
  const outcome = await ask(relayUrl(), '/v1/push', {
    method: 'POST',
    headers: { 'content-type': 'application/zstd', authorization },
    body: new Uint8Array(tamper(batch)),
  });
  return { ...outcome, applied: (await count()) - before };
}

const count = async () => Number((await cloud.query('SELECT count(*) AS n FROM pupil')).rows[0].n);

const events = async (campus: string) =>
  (
    await cloud.query('SELECT event, by_whom FROM sync.trust_log WHERE campus = $1 ORDER BY id', [campus])
  ).rows.map(({ event, by_whom }) => `${event} by ${by_whom}`);

describe('pairing', () => {
  it('goes from code to key to the confirmation of an administrator, and each step is recorded', async () => {
    const stateDir = newFolder();
    const code = await pair(cloud, { campus: 'paired', by });
    const options = { relayUrl: relayUrl(), campus: 'paired', stateDir, code: code.toLowerCase() };
    const asked = await askToEnrol(options);
    expect(asked).toEqual({ fingerprint: await waitingBox(cloud, 'paired'), state: 'pending' });
    expect(statSync(join(stateDir, 'box-key.pem')).mode & 0o777).toBe(0o600);
    const session = sessionOf(relayUrl(), 'paired', stateDir);
    await expect(session.authorization()).rejects.toMatchObject({ code: 'BOX_PENDING' });
    expect(session.status()).toMatchObject({ state: 'pending', fingerprint: asked.fingerprint });

    await confirm(cloud, { campus: 'paired', by, fingerprint: asked.fingerprint });
    await waitForConfirmation(
      options,
      0,
      () => performance.now(),
      async () => {},
    );
    const authorization = await session.authorization();
    expect(session.status()).toMatchObject({ state: 'trusted', problem: null });
    expect((await ask(relayUrl(), '/v1/sync?epoch=e', { headers: { authorization } })).status).toBe(200);
    expect(await events('paired')).toEqual([
      `pairing code made by ${by}`,
      'box asked by a box',
      `box confirmed by ${by}`,
    ]);
  });

  it('leaves neither the code nor the token in the database', async () => {
    const code = await pair(cloud, { campus: 'hashed', by });
    const { authorization } = await trusted('hashed');
    const { rows } = await cloud.query(
      'SELECT (SELECT json_agg(p)::text FROM sync.pairing p) AS p, (SELECT json_agg(s)::text FROM sync.session s) AS s',
    );
    expect(`${rows[0].p}${rows[0].s}`).not.toContain(code.replace('-', ''));
    expect(`${rows[0].p}${rows[0].s}`).not.toContain(authorization.split('.')[2]);
  });

  it('may be asked again when the answer was lost, and by nobody else', async () => {
    const stateDir = newFolder();
    const code = await pair(cloud, { campus: 'again', by });
    const options = { relayUrl: relayUrl(), campus: 'again', stateDir, code };
    const first = await askToEnrol(options);
    // As it was before the answer came.
    writeFileSync(join(stateDir, 'box-key.next.pem'), readFileSync(join(stateDir, 'box-key.pem')));
    expect(await askToEnrol(options)).toEqual(first);
    const thief = { ...options, stateDir: newFolder() };
    await expect(askToEnrol(thief)).rejects.toMatchObject({ code: 'PAIRING_REFUSED', status: 403 });
  });

  it('with a stolen code is noticed: the fingerprints differ, and nobody is trusted', async () => {
    const code = await pair(cloud, { campus: 'stolen', by });
    await askToEnrol({ relayUrl: relayUrl(), campus: 'stolen', stateDir: newFolder(), code });
    const ours = fingerprintOf(generateKeyPairSync('ed25519').publicKey);
    await expect(confirm(cloud, { campus: 'stolen', by, fingerprint: ours })).rejects.toMatchObject({
      code: 'BOX_UNKNOWN',
    });
    expect(await events('stolen')).not.toContain(`box confirmed by ${by}`);
  });

  it('is refused after too many guesses, even with the right code, and guesses are recorded', async () => {
    const code = await pair(cloud, { campus: 'guessed', by });
    const options = { relayUrl: relayUrl(), campus: 'guessed', stateDir: newFolder() };
    for (let n = 0; n < maxPairingAttempts; n++)
      await expect(askToEnrol({ ...options, code: `00000-0000${n}` })).rejects.toMatchObject({
        code: 'PAIRING_REFUSED',
      });
    await expect(askToEnrol({ ...options, code })).rejects.toMatchObject({ code: 'PAIRING_REFUSED' });
    expect(existsSync(join(options.stateDir, 'box-key.pem'))).toBe(false);
    expect((await events('guessed')).filter((event) => event.includes('refused'))).toHaveLength(
      maxPairingAttempts,
    );
    expect(logged.at(-1)).toMatchObject({ code: 'PAIRING_REFUSED', campus: 'guessed' });
  });

  it('is refused when the code is older than 15 minutes, is of another campus, or an earlier one', async () => {
    const old = await pair(cloud, { campus: 'late', by });
    const options = { relayUrl: relayUrl(), campus: 'late', stateDir: newFolder() };
    const current = await pair(cloud, { campus: 'late', by });
    await expect(askToEnrol({ ...options, code: old })).rejects.toMatchObject({ code: 'PAIRING_REFUSED' });
    const other = await pair(cloud, { campus: 'late-other', by });
    await expect(askToEnrol({ ...options, code: other })).rejects.toMatchObject({ code: 'PAIRING_REFUSED' });
    await cloud.query(
      "UPDATE sync.pairing SET expires_at = expires_at - interval '15 minutes' WHERE campus = 'late'",
    );
    await expect(askToEnrol({ ...options, code: current })).rejects.toMatchObject({
      code: 'PAIRING_REFUSED',
    });
  });

  it('needs the private key: a code with the public key of somebody else is refused', async () => {
    const code = await pair(cloud, { campus: 'public', by });
    const { x: publicKey } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
    const body = { campus: 'public', code, publicKey, signature: 'A'.repeat(86) };
    expect(await post('/v1/enrol', body)).toMatchObject({ status: 401, answer: { code: 'PROOF_INVALID' } });
  });

  it.each(['', 'Mvan', 'cloud', "m'; --"])('of the campus %j is refused', async (campus) => {
    await expect(pair(cloud, { campus, by })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('without the name of the administrator is refused', async () => {
    await expect(pair(cloud, { campus: 'mvan', by: ' ' })).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });

  it('of a second box ends the trust in the first', async () => {
    const first = await trusted('second');
    const second = await trusted('second');
    expect(await pushOne(first.authorization, 'second')).toMatchObject({
      status: 403,
      answer: { code: 'BOX_REVOKED' },
      applied: 0,
    });
    expect(await pushOne(second.authorization, 'second')).toMatchObject({ status: 200, applied: 1 });
    expect(await events('second')).toContain(`box replaced by the box ${second.fingerprint}`);
  });
});

describe('a session', () => {
  it('that one relay opened is taken by the other', async () => {
    const { authorization } = await trusted('shared');
    expect((await ask(relayUrl(1), '/v1/sync?epoch=e', { headers: { authorization } })).status).toBe(200);
  });

  it('is opened once for a challenge, at whichever relay it is replayed', async () => {
    const body = await signed(await trusted('replay'));
    expect(await post('/v1/session', body, 1)).toMatchObject({
      status: 200,
      answer: { expiresInMs: 900_000 },
    });
    for (const index of [0, 1])
      expect(await post('/v1/session', body, index)).toMatchObject({
        status: 401,
        answer: { code: 'PROOF_INVALID' },
      });
    expect(logged.at(-1)).toMatchObject({ code: 'PROOF_INVALID', campus: 'replay' });
  });

  it('is opened once when the same answer arrives at both relays at the same moment', async () => {
    const body = await signed(await trusted('race'));
    const answers = await Promise.all([0, 1, 0, 1].map((index) => post('/v1/session', body, index)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('is refused for a challenge that was changed, made for another campus, or signed with another key', async () => {
    const [own, other] = [await trusted('own'), await trusted('other')];
    const body = await signed(own);
    const wrong = [
      { ...body, challenge: body.challenge.replace(/^\d+/, (seconds) => String(Number(seconds) + 600)) },
      { ...body, campus: 'other' },
      { ...body, campus: 'other', fingerprint: other.fingerprint },
      { ...body, signature: (await signed({ ...own, stateDir: other.stateDir })).signature },
      { ...body, challenge: 'nonsense' },
    ];
    for (const attempt of wrong)
      expect(await post('/v1/session', attempt)).toMatchObject({
        status: 401,
        answer: { code: 'PROOF_INVALID' },
      });
    expect((await post('/v1/session', body)).status).toBe(200);
  });

  it('of a key that was never enrolled is refused', async () => {
    const box = await trusted('stranger');
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const fingerprint = fingerprintOf(publicKey);
    const { answer } = await post('/v1/session/challenge', { campus: box.campus, fingerprint });
    const signature = signText(sessionText(answer.challenge, box.campus, fingerprint), privateKey);
    const body = { campus: box.campus, fingerprint, challenge: answer.challenge, signature };
    expect(await post('/v1/session', body)).toMatchObject({ status: 403, answer: { code: 'BOX_UNKNOWN' } });
  });

  it.each(['', 'Bearer ', 'Bearer edge.mvan.short', `Bearer edge.mvan.${'A'.repeat(43)}`, 'Basic x'])(
    'is none with %j: refused, logged, and nothing is applied',
    async (authorization) => {
      expect(await pushOne(authorization, 'mvan')).toMatchObject({
        status: 401,
        answer: { code: 'UNAUTHENTICATED' },
        applied: 0,
      });
      expect(logged.at(-1)).toMatchObject({ code: 'UNAUTHENTICATED' });
    },
  );

  it('under the name of another campus is refused, and rows of another campus are not taken', async () => {
    const own = await trusted('bound');
    await trusted('foreign');
    const forged = own.authorization.replace('.bound.', '.foreign.');
    expect(await pushOne(forged, 'foreign')).toMatchObject({ status: 401, applied: 0 });
    expect(logged.at(-1)).toMatchObject({ code: 'UNAUTHENTICATED', campus: 'foreign' });
    expect(await pushOne(own.authorization, 'foreign')).toMatchObject({ status: 200, applied: 0 });
  });

  it('that has expired is refused and logged, and the box opens a new one by itself', async () => {
    const box = await trusted('expired');
    await cloud.query('UPDATE sync.session SET expires_at = now() WHERE fingerprint = $1', [box.fingerprint]);
    expect(await pushOne(box.authorization, 'expired')).toMatchObject({
      status: 401,
      answer: { code: 'UNAUTHENTICATED' },
      applied: 0,
    });
    expect(logged.at(-1)).toMatchObject({ code: 'UNAUTHENTICATED', campus: 'expired' });
    const relay = new RelayClient({ relayUrl: relayUrl(), session: box.session });
    expect(await relay.sync('e', AbortSignal.timeout(5_000))).toMatchObject({ campus: 'expired' });
    expect(await box.session.authorization()).not.toBe(box.authorization);
  });

  it('does not make a batch good that was changed on its way', async () => {
    const { authorization } = await trusted('tampered');
    const flip = (body: Buffer) => {
      body[body.length >> 1] = (body[body.length >> 1] as number) ^ 0xff;
      return body;
    };
    expect(await pushOne(authorization, 'tampered', flip)).toMatchObject({
      status: 400,
      answer: { code: 'BATCH_MALFORMED' },
      applied: 0,
    });
    expect(logged.at(-1)).toMatchObject({ code: 'BATCH_MALFORMED', campus: 'tampered' });
  });
});

describe('revoking', () => {
  const reason = 'the box was stolen';

  it('is felt by the next request, and the box is told what to do', async () => {
    const box = await trusted('revoked');
    await revoke(cloud, { campus: 'revoked', by, reason });
    expect(await pushOne(box.authorization, 'revoked')).toMatchObject({
      status: 403,
      answer: { code: 'BOX_REVOKED' },
      applied: 0,
    });
    expect(logged.at(-1)).toMatchObject({ code: 'BOX_REVOKED', campus: 'revoked' });
    const relay = new RelayClient({ relayUrl: relayUrl(), session: box.session });
    await expect(relay.sync('e', AbortSignal.timeout(5_000))).rejects.toMatchObject({ code: 'BOX_REVOKED' });
    await expect(relay.sync('e', AbortSignal.timeout(5_000))).rejects.toMatchObject({ code: 'BOX_REVOKED' });
    expect(box.session.status()).toMatchObject({
      state: 'revoked',
      problem: expect.stringMatching(/revoked.*skooly-relay pair/),
    });
    expect(await events('revoked')).toContain(`campus revoked by ${by}`);
  });

  it.each([
    ['a relay that serves the feed itself', 0],
    ['a relay in front of an Electric', 1],
  ])('ends a long poll that is held by %s', async (_where, index) => {
    const campus = `held-${index}`;
    const { authorization } = await trusted(campus);
    const headers = { authorization };
    const shape = (query: Record<string, string>) =>
      fetch(new URL(`/v1/shape?${new URLSearchParams({ table: 'sync.feed', ...query })}`, relayUrl(index)), {
        headers,
      });
    let now = await shape({ offset: 'now' });
    await until(async () => {
      now = await shape({ offset: 'now' });
      return now.status === 200;
    });
    const from = {
      offset: now.headers.get('electric-offset') ?? '',
      handle: now.headers.get('electric-handle') ?? '',
    };
    const held = shape({ ...from, live: 'true', cursor: '5' });
    expect(await Promise.race([held, new Promise((resolve) => setTimeout(resolve, 300, 'held'))])).toBe(
      'held',
    );
    await revoke(cloud, { campus, by, reason });
    await cloud.query(`INSERT INTO pupil VALUES ('after-${index}', '${campus}', 'a')`);
    const answer = await held;
    expect([answer.status, await answer.json()]).toMatchObject([403, { code: 'BOX_REVOKED' }]);
  });

  it('stops a push whose body is still on its way', async () => {
    const { authorization } = await trusted('slow');
    const before = await count();
    const begun = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const body = new ReadableStream({
      async start(controller) {
        controller.enqueue(Buffer.from([0x28]));
        begun.resolve();
        await goOn.promise;
        controller.close();
      },
    });
    const headers = { 'content-type': 'application/zstd', authorization };
    const push = ask(relayUrl(), '/v1/push', {
      method: 'POST',
      headers,
      body,
      duplex: 'half',
    } as RequestInit);
    await begun.promise;
    await new Promise((resolve) => setTimeout(resolve, 100));
    await revoke(cloud, { campus: 'slow', by, reason });
    goOn.resolve();
    expect(await push).toMatchObject({ status: 403, answer: { code: 'BOX_REVOKED' } });
    expect(await count()).toBe(before);
  });

  it("takes the campus off Skooly's trusted keys, and leaves the others", async () => {
    await trusted('signing');
    const keys = [
      { site: 'cloud', publicKey: 'c' },
      { site: 'signing', publicKey: 's' },
    ];
    writeFileSync(trustedKeysFile, JSON.stringify(keys));
    await revoke(cloud, { campus: 'signing', by, reason });
    await until(async () => !readFileSync(trustedKeysFile, 'utf8').includes('signing'));
    expect(JSON.parse(readFileSync(trustedKeysFile, 'utf8'))).toEqual([keys[0]]);
  });

  it('ends the pairing code too, and a box that is enrolled anew with a new key is trusted again', async () => {
    const old = await trusted('returns');
    const code = await pair(cloud, { campus: 'returns', by });
    await revoke(cloud, { campus: 'returns', by, reason });
    const stateDir = newFolder();
    await expect(
      askToEnrol({ relayUrl: relayUrl(), campus: 'returns', stateDir, code }),
    ).rejects.toMatchObject({ code: 'PAIRING_REFUSED' });
    const anew = await trusted('returns');
    expect(anew.fingerprint).not.toBe(old.fingerprint);
    expect(await pushOne(anew.authorization, 'returns')).toMatchObject({ status: 200, applied: 1 });
    await expect(
      old.session.authorization().then(() => pushOne(old.authorization, 'returns')),
    ).resolves.toMatchObject({
      status: 403,
    });
  });
});
