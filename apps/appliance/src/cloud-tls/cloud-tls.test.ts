/**
 * This machine's clock cannot be set, so the certificates are made for other years: to a certificate for the 2040s, today is
 * what 1970 is to one of today.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Pool } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { makeAuthority, type Validity } from '../../../../test/support/certificates.ts';
import { vouchFor } from '../../../cloud-relay/src/tls/vouch.ts';
import { CloudTls, type CloudTlsOptions } from './cloud-tls.ts';

const signing = generateKeyPairSync('ed25519');
const today = {
  notBefore: new Date(Date.now() - 86_400_000),
  notAfter: new Date(Date.now() + 86_400_000 * 90),
};
const past = { notBefore: new Date('2001-01-01'), notAfter: new Date('2003-01-01') };
const future = { notBefore: new Date('2041-01-01'), notAfter: new Date('2043-01-01') };
const always = { notBefore: new Date('2000-01-01'), notAfter: new Date('2049-01-01') };
const authority = makeAuthority('of the group', always);

interface RelayOptions {
  validity?: Validity;
  names?: string[];
  from?: typeof authority;
  /** What the relay believes to be the time. */
  time?: Date;
  signedWith?: KeyObject;
  /** Null: it knows of none. */
  vouches?: ((own: string) => string[]) | null;
}

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const fingerprint = (pem: string | Buffer) =>
  new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();

/** What a relay does, as far as it matters here. */
async function startRelay(options: RelayOptions = {}) {
  const { validity = today, names = ['127.0.0.1'], from = authority, time = new Date() } = options;
  const { certificate: cert, privateKey: key } = from.issue(names, validity);
  const { vouches = (own: string) => [own], signedWith = signing.privateKey } = options;
  const asked: string[] = [];
  const resumed: boolean[] = [];
  const server = createServer({ cert, key }, (request, response) => {
    const url = new URL(request.url ?? '/', 'https://relay');
    asked.push(url.pathname);
    if (request.socket instanceof TLSSocket) resumed.push(request.socket.isSessionReused());
    if (url.pathname !== '/v1/certificates') return response.end('{"hello":"campus"}');
    if (vouches === null) return response.writeHead(404).end('{}');
    const nonce = url.searchParams.get('nonce') ?? '';
    response.end(JSON.stringify(vouchFor(signedWith, nonce, time, vouches(fingerprint(cert)))));
  });
  const port = await listening(server);
  return { server, asked, resumed, cert, url: new URL(`https://127.0.0.1:${port}/`) };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close() {
      server.closeAllConnections();
      server.close();
    },
  });
  return (server.address() as AddressInfo).port;
}

function box(relayUrl: URL, options: Partial<CloudTlsOptions> = {}): CloudTls {
  const tls = new CloudTls({
    ca: authority.certificate,
    relayUrl,
    publicKey: signing.publicKey,
    reachedMs: () => null,
    wallMs: Date.now,
    monotonicMs: () => performance.now(),
    randomBytes,
    ...options,
  });
  open.push(tls);
  return tls;
}

const ask = async (tls: CloudTls, url: URL) => (await tls.fetch(new URL('/v1/sync', url))).json();

describe('a certificate of the right authority, host and dates', () => {
  test('is believed, and nobody is asked for a word', async () => {
    const relay = await startRelay();
    const tls = box(relay.url);
    expect(await ask(tls, relay.url)).toEqual({ hello: 'campus' });
    expect(relay.asked).toEqual(['/v1/sync']);
    expect(tls.relayDates()?.notAfter.getTime()).toBeCloseTo(today.notAfter.getTime(), -4);
  });

  test('is believed by another pool too, which resumes the session', async () => {
    const relay = await startRelay();
    const tls = box(relay.url);
    await ask(tls, relay.url);
    const pool = new Pool(relay.url.origin, { connect: tls.connector(), allowH2: false });
    open.push({ close: () => pool.destroy() });
    await (await pool.request({ path: '/', method: 'GET' })).body.text();
    expect(relay.resumed).toEqual([false, true]);
  });

  test('is refused once it has surely run out, whatever the clock of the box says', async () => {
    const relay = await startRelay();
    const tls = box(relay.url, { reachedMs: () => today.notAfter.getTime() + 1 });
    await expect(ask(tls, relay.url)).rejects.toMatchObject({
      code: 'CERTIFICATE_DATES',
      message: expect.stringContaining('has run out on'),
    });
    expect(relay.asked).toEqual([]);
  });
});

describe('a certificate that is not valid by the clock of the box', () => {
  test.each([
    ['not yet', future, new Date('2042-06-01')],
    ['no longer', past, new Date('2002-06-01')],
  ])('(%s) is believed on the word of the relay, which is asked once', async (_, validity, time) => {
    const relay = await startRelay({ validity, time });
    const heard: number[] = [];
    const tls = box(relay.url, { exchange: () => (cloudMs) => heard.push(cloudMs) });
    expect(await ask(tls, relay.url)).toEqual({ hello: 'campus' });
    expect(heard).toEqual([time.getTime()]);
    relay.server.closeAllConnections();
    expect(await ask(tls, relay.url)).toEqual({ hello: 'campus' });
    expect(relay.asked).toEqual(['/v1/certificates', '/v1/sync', '/v1/sync']);
  });

  test('is believed of Skooly in the cloud, when the relay vouches for it', async () => {
    const app = await startRelay({ validity: future });
    const relay = await startRelay({
      time: new Date('2042-06-01'),
      vouches: (own) => [own, fingerprint(app.cert)],
    });
    expect(await ask(box(relay.url), app.url)).toEqual({ hello: 'campus' });
    const silent = await startRelay({ time: new Date('2042-06-01') });
    await expect(ask(box(silent.url), app.url)).rejects.toMatchObject({ code: 'CERTIFICATE_DATES' });
    expect(app.asked).toEqual(['/v1/sync']);
  });

  const at2042 = { validity: future, time: new Date('2042-06-01') };
  test.each<[string, RelayOptions, Partial<CloudTlsOptions>, string]>([
    ['has run out by the cloud’s time too', { validity: past }, {}, 'and it is'],
    ['is not valid yet by the cloud’s time either', { validity: future }, {}, 'is valid from 2041'],
    [
      'is one that the relay does not vouch for',
      { ...at2042, vouches: () => ['a'.repeat(64)] },
      {},
      'not one',
    ],
    ['is one of a relay that knows of none', { ...at2042, vouches: null }, {}, 'it answers 404'],
    [
      'comes with a word that another key has signed',
      { ...at2042, signedWith: generateKeyPairSync('ed25519').privateKey },
      {},
      'not signed by the cloud',
    ],
    [
      'is met by a box that does not know the key of the cloud',
      at2042,
      { publicKey: null },
      'is not known here',
    ],
  ])('is refused when it %s, and nothing is asked under it', async (_, options, its, said) => {
    const relay = await startRelay(options);
    await expect(ask(box(relay.url, its), relay.url)).rejects.toMatchObject({
      code: 'CERTIFICATE_DATES',
      message: expect.stringContaining(said),
      advice: expect.stringContaining('timedatectl'),
    });
    expect(relay.asked.filter((path) => path !== '/v1/certificates')).toEqual([]);
  });

  test('is refused when it is for another host, even when the relay vouches for it', async () => {
    const relay = await startRelay({ ...at2042, names: ['relay.example'] });
    await expect(ask(box(relay.url), relay.url)).rejects.toMatchObject({ code: 'CERTIFICATE_OTHER_HOST' });
    expect(relay.asked).toEqual([]);
  });

  test('does not let somebody in between pass with a certificate of his own', async () => {
    const relay = await startRelay(at2042);
    const thief = makeAuthority('of a thief', always).issue(['127.0.0.1'], future);
    const stolen: string[] = [];
    const between = createServer(
      { cert: thief.certificate, key: thief.privateKey },
      async (request, response) => {
        stolen.push(request.url?.split('?')[0] ?? '');
        const onward = box(relay.url);
        response.end(await (await onward.fetch(new URL(request.url ?? '', relay.url))).text());
      },
    );
    const url = new URL(`https://127.0.0.1:${await listening(between)}/`);
    await expect(ask(box(url), url)).rejects.toMatchObject({
      code: 'CERTIFICATE_DATES',
      message: expect.stringContaining('not one that the relay vouches for'),
    });
    expect(stolen).toEqual(['/v1/certificates']);
  });
});

describe('a certificate that is valid by the clock of the box', () => {
  test('is refused when it is from another authority, and nobody is asked for a word', async () => {
    const relay = await startRelay({ from: makeAuthority('of a thief', always) });
    await expect(ask(box(relay.url), relay.url)).rejects.toMatchObject({
      code: 'CERTIFICATE_UNTRUSTED',
      advice: expect.stringContaining('EDGE_CLOUD_CA_FILE'),
    });
    expect(relay.asked).toEqual([]);
  });

  test('is refused when it is for another host', async () => {
    const relay = await startRelay({ names: ['relay.example'] });
    await expect(ask(box(relay.url), relay.url)).rejects.toMatchObject({ code: 'CERTIFICATE_OTHER_HOST' });
  });

  test('of the group’s own authority is refused by a box that was not told of it', async () => {
    const relay = await startRelay();
    await expect(ask(box(relay.url, { ca: null }), relay.url)).rejects.toMatchObject({
      code: 'CERTIFICATE_UNTRUSTED',
    });
  });
});
