import { generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import Fastify, { type FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { Agent, fetch } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Certificate, makeAuthority } from '../../../../test/support/certificates.ts';
import { addCertificates } from '../http/certificate-routes.ts';
import { fingerprintOf } from './certificate.ts';
import { RelayTls } from './tls.ts';

const signing = generateKeyPairSync('ed25519');
const dayMs = 86_400_000;
const inDays = (days: number) => new Date(Date.now() + days * dayMs);
const authority = makeAuthority('of the group', { notBefore: inDays(-1), notAfter: inDays(900) });
const issue = (days = 90, from = -1) =>
  authority.issue(['127.0.0.1'], { notBefore: inDays(from), notAfter: inDays(days) });

let dir: string;
let files: { certFile: string; keyFile: string };
let said: { level: number; msg: string }[];
let server: FastifyInstance;
let agent: Agent;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-relay-tls-'));
  files = { certFile: join(dir, 'fullchain.pem'), keyFile: join(dir, 'privkey.pem') };
  said = [];
  agent = new Agent({ connections: 1, connect: { ca: authority.certificate } });
});
afterEach(async () => {
  await agent.destroy();
  await server?.close();
  rmSync(dir, { recursive: true });
});

const logger = pino({ level: 'info' }, { write: (line: string) => said.push(JSON.parse(line)) });

function put({ certificate, privateKey }: Certificate): string {
  writeFileSync(files.certFile, certificate);
  writeFileSync(files.keyFile, privateKey);
  return fingerprintOf(new X509Certificate(certificate));
}

function openTls(options: { vouchedFiles?: string[]; clear?: boolean; now?: () => Date } = {}): RelayTls {
  const { vouchedFiles = [], clear = false, now = () => new Date() } = options;
  return new RelayTls({ files: clear ? null : files, vouchedFiles, logger, now });
}

async function serve(tls: RelayTls): Promise<string> {
  const https = tls.serverOptions();
  server = (https ? Fastify({ https }) : Fastify()) as unknown as FastifyInstance;
  addCertificates(server, {
    config: { signingKey: signing.privateKey },
    tls,
    now: () => new Date(),
  });
  await server.listen({ host: '127.0.0.1', port: 0 });
  return `${https ? 'https' : 'http'}://127.0.0.1:${(server.server.address() as AddressInfo).port}`;
}

const httpsServer = () => server.server as unknown as Server;

async function certificatesAt(base: string, dispatcher = agent) {
  const answer = await fetch(`${base}/v1/certificates?nonce=${'0a'.repeat(16)}`, { dispatcher });
  return (await answer.json()) as { nonce: string; time: string; certificates: string[]; signature: string };
}

/** A connection that stays. */
function connection(base: string, options: { session?: Buffer; maxVersion?: 'TLSv1.1' | 'TLSv1.2' } = {}) {
  const { hostname: host, port } = new URL(base);
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect({ host, port: Number(port), ca: authority.certificate, ...options });
  socket.once('secureConnect', () => resolve(socket)).once('error', reject);
  return promise;
}

describe('a relay with a certificate', () => {
  test('shows it, over TLS 1.3 and 1.2 and nothing older', async () => {
    const own = put(issue());
    const base = await serve(openTls());
    const newest = await connection(base);
    expect(newest.getProtocol()).toBe('TLSv1.3');
    expect(fingerprintOf(newest.getPeerX509Certificate() as X509Certificate)).toBe(own);
    const older = await connection(base, { maxVersion: 'TLSv1.2' });
    expect(older.getProtocol()).toBe('TLSv1.2');
    await expect(connection(base, { maxVersion: 'TLSv1.1' })).rejects.toThrow();
    newest.destroy();
    older.destroy();
  });

  test('lets a client that comes back resume its session', async () => {
    put(issue());
    const base = await serve(openTls());
    const first = await connection(base);
    const session = await new Promise<Buffer>((resolve) => first.once('session', resolve));
    first.destroy();
    const second = await connection(base, { session });
    expect(second.isSessionReused()).toBe(true);
    second.destroy();
  });

  test('signs over the nonce which certificates are the cloud’s: that of the connection, and those of others', async () => {
    const own = put(issue());
    const proxy = issue();
    writeFileSync(join(dir, 'proxy.pem'), proxy.certificate);
    const base = await serve(openTls({ vouchedFiles: [join(dir, 'proxy.pem')] }));
    const { nonce, time, certificates, signature } = await certificatesAt(base);
    expect(certificates).toEqual([own, fingerprintOf(new X509Certificate(proxy.certificate))]);
    const text = `skooly-edge/certificates/1\n${'0a'.repeat(16)}\n${time}\n${certificates.join(',')}`;
    expect(nonce).toBe('0a'.repeat(16));
    expect(verify(null, Buffer.from(text), signing.publicKey, Buffer.from(signature, 'base64'))).toBe(true);
  });

  test('takes in a renewed one, and connections that are open go on', async () => {
    const before = put(issue());
    const tls = openTls();
    const base = await serve(tls);
    expect((await certificatesAt(base)).certificates).toEqual([before]);
    const after = put(issue());
    tls.look(httpsServer());
    expect((await certificatesAt(base)).certificates).toEqual([before]);
    const later = new Agent({ connect: { ca: authority.certificate } });
    expect((await certificatesAt(base, later)).certificates).toEqual([after]);
    await later.destroy();
  });

  test('keeps the one before while the new files do not belong together, and says so once', async () => {
    const before = put(issue());
    const tls = openTls();
    const base = await serve(tls);
    const renewed = issue();
    writeFileSync(files.certFile, renewed.certificate);
    tls.look(httpsServer());
    tls.look(httpsServer());
    expect((await certificatesAt(base)).certificates).toEqual([before]);
    expect(said.filter(({ level }) => level === 50)).toHaveLength(1);
    const after = put(renewed);
    tls.look(httpsServer());
    const later = new Agent({ connect: { ca: authority.certificate } });
    expect((await certificatesAt(base, later)).certificates).toEqual([after]);
    await later.destroy();
  });

  test.each([
    [13, 'the certificate runs out in 12 days: renew it'],
    [-0.5, 'the certificate has run out on'],
  ])('warns when it has %s days left, and again a day later', (days, message) => {
    put(issue(days, -30));
    let now = Date.now();
    const tls = openTls({ now: () => new Date(now) });
    const nobody = { setSecureContext() {} } as unknown as Server;
    tls.look(nobody);
    expect(said).toMatchObject([{ level: 40, msg: expect.stringContaining(message) }]);
    now += dayMs;
    tls.look(nobody);
    expect(said).toHaveLength(2);
  });
});

test('a file of others that cannot be read does not keep a relay from taking in a renewed one', async () => {
  put(issue());
  const proxy = join(dir, 'proxy.pem');
  writeFileSync(proxy, issue().certificate);
  const tls = openTls({ vouchedFiles: [proxy] });
  const base = await serve(tls);
  const after = put(issue());
  rmSync(proxy);
  tls.look(httpsServer());
  expect((await certificatesAt(base)).certificates[0]).toBe(after);
  expect(said.filter(({ level }) => level === 50)).toHaveLength(1);
});

describe('a relay in clear', () => {
  test('knows of no certificate that is its own', async () => {
    const base = await serve(openTls({ clear: true }));
    expect((await fetch(`${base}/v1/certificates?nonce=${'0'.repeat(16)}`)).status).toBe(404);
  });

  test('vouches for that of the proxy in front of it', async () => {
    const proxy = issue();
    writeFileSync(join(dir, 'proxy.pem'), proxy.certificate);
    const base = await serve(openTls({ clear: true, vouchedFiles: [join(dir, 'proxy.pem')] }));
    const { certificates } = await certificatesAt(base);
    expect(certificates).toEqual([fingerprintOf(new X509Certificate(proxy.certificate))]);
  });

  test('is refused when what it is to vouch for cannot be read', () => {
    expect(() => openTls({ clear: true, vouchedFiles: ['/nowhere/site.pem'] })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(
          /^RELAY_TLS_VOUCHED_CERT_FILES names \/nowhere\/site\.pem, which cannot/,
        ),
      }),
    );
  });
});
