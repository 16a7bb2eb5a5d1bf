import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { openProber } from './probe.ts';

const cloud = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(answer: Answer): Promise<URL> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

function signedHealth(nonce: string, { key = cloud.privateKey, time = new Date().toISOString() } = {}) {
  const signature = sign(null, Buffer.from(`skooly-edge/health/1\n${nonce}\n${time}`), key as KeyObject);
  return JSON.stringify({
    status: 'ok',
    site: 'cloud',
    nonce,
    time,
    signature: signature.toString('base64'),
  });
}
const nonceOf = ({ url }: IncomingMessage) => new URL(url ?? '', 'http://x').searchParams.get('nonce') ?? '';
const relay: Answer = (request, response) => response.end(signedHealth(nonceOf(request)));
const hang: Answer = () => undefined;

async function refusing(): Promise<URL> {
  const url = await serve(hang);
  await closing.pop()?.();
  return url;
}

function probe(
  relayUrls: URL[],
  { appUrl = null as URL | null, timeoutMs = 2_000, exchange = () => (_: number) => {} } = {},
) {
  const parts = {
    relayUrls,
    appUrl,
    publicKey: cloud.publicKey,
    timeoutMs,
    clock: systemClock,
    randomBytes,
    exchange,
  };
  const prober = openProber(parts);
  closing.unshift(() => prober.close());
  return { once: () => prober.round(new AbortController().signal), prober };
}

test('a signed answer is a hit, and tells how far the clocks are apart', async () => {
  const ahead = await serve((request, response) => {
    const time = new Date(Date.now() + 3_600_000).toISOString();
    response.end(signedHealth(nonceOf(request), { time }));
  });
  const round = await probe([ahead]).once();
  expect(round).toMatchObject({ outcome: 'hit', probes: [{ ok: true, kind: 'signed', problem: null }] });
  expect(round.clockOffsetMs).toBeGreaterThan(3_590_000);
  expect(round.clockOffsetMs).toBeLessThan(3_610_000);
});

test('only an answer that is proved good tells the time to whoever asked', async () => {
  const time = '2026-01-05T07:00:00.123Z';
  const good = await serve((request, response) => response.end(signedHealth(nonceOf(request), { time })));
  const forged = await serve((request, response) =>
    response.end(signedHealth(nonceOf(request), { time, key: stranger.privateKey })),
  );
  const app = await serve((_, response) => response.end());
  const told: number[] = [];
  let sent = 0;
  const exchange = () => {
    sent += 1;
    return (cloudTimeMs: number) => told.push(cloudTimeMs);
  };
  await probe([forged, good], { appUrl: app, exchange }).once();
  expect(sent).toBe(2);
  expect(told).toEqual([Date.parse(time)]);
});

test('every probe has a nonce of its own, over one connection', async () => {
  const nonces: string[] = [];
  const ports = new Set<number | undefined>();
  const url = await serve((request, response) => {
    nonces.push(nonceOf(request));
    ports.add(request.socket.remotePort);
    relay(request, response);
  });
  const { once } = probe([url]);
  for (let n = 0; n < 3; n += 1) expect((await once()).outcome).toBe('hit');
  expect(new Set(nonces).size).toBe(3);
  expect(nonces.every((nonce) => /^[0-9a-f]{32}$/.test(nonce))).toBe(true);
  expect(ports.size).toBe(1);
});

test.each<[string, Answer, RegExp]>([
  ['a captive portal', (_, response) => response.end('<html>Welcome! Buy data.</html>'), /captive portal/],
  ['a portal that speaks JSON', (_, response) => response.end('{"status":"ok"}'), /captive portal/],
  [
    'a portal that redirects',
    (_, response) => response.writeHead(302, { location: 'http://portal' }).end(),
    /302/,
  ],
  ['an endless answer', (_, response) => response.end('x'.repeat(1_000_000)), /captive portal/],
  [
    'a stranger who signs',
    (request, response) => response.end(signedHealth(nonceOf(request), { key: stranger.privateKey })),
    /not signed by the cloud/,
  ],
  [
    'another time under the same signature',
    (request, response) => {
      const answer = JSON.parse(signedHealth(nonceOf(request)));
      response.end(JSON.stringify({ ...answer, time: '2020-01-01T00:00:00.000Z' }));
    },
    /not signed by the cloud/,
  ],
  ['an answer given before', (_, response) => response.end(signedHealth('ab'.repeat(16))), /older probe/],
])('%s is a miss', async (_, answer, problem) => {
  const round = await probe([await serve(answer)]).once();
  expect(round).toMatchObject({ outcome: 'miss', clockOffsetMs: null });
  expect(round.probes[0]?.problem).toMatch(problem);
});

test('no answer in time is a miss, also when the answer only begins', async () => {
  const begins = await serve((_, response) => response.write('{'));
  for (const url of [await serve(hang), begins]) {
    const round = await probe([url], { timeoutMs: 60 }).once();
    expect(round).toMatchObject({ outcome: 'miss', reason: 'the relay: no answer within 60 ms' });
  }
});

test('a refused connection is told apart from silence', async () => {
  expect(await probe([await refusing()]).once()).toMatchObject({ outcome: 'refused' });
  const both = await probe([await refusing(), await serve(hang)], { timeoutMs: 60 }).once();
  expect(both.outcome).toBe('miss');
});

test('one signed answer among several URLs is enough', async () => {
  expect((await probe([await refusing(), await serve(relay)]).once()).outcome).toBe('hit');
});

test('a kept connection that the relay has closed meanwhile is no miss', async () => {
  const sockets: IncomingMessage['socket'][] = [];
  const url = await serve((request, response) => {
    sockets.push(request.socket);
    if (sockets.length === 2) request.socket.destroy();
    else relay(request, response);
  });
  const { once } = probe([url]);
  expect((await once()).outcome).toBe('hit');
  expect((await once()).outcome).toBe('hit');
  expect(sockets).toHaveLength(3);
});

test('a cloud whose Skooly fails is no place to go back to', async () => {
  const url = await serve(relay);
  const answers = (status: number) => serve((_, response) => response.writeHead(status).end());
  const ask = async (appUrl: URL) => (await probe([url], { appUrl, timeoutMs: 300 }).once()).outcome;
  expect(await ask(await answers(200))).toBe('hit');
  expect(await ask(await answers(404))).toBe('hit');
  expect(await ask(await answers(502))).toBe('miss');
  expect(await ask(await serve(hang))).toBe('miss');
  expect(await ask(await refusing())).toBe('refused');
});

test('a probe that is told to stop ends at once', async () => {
  const { prober } = probe([await serve(hang)], { timeoutMs: 60_000 });
  const stop = new AbortController();
  const round = prober.round(stop.signal);
  stop.abort();
  expect((await round).outcome).toBe('miss');
});
