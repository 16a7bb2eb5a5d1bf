import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../link/clock.ts';
import { ask, keyed, post } from './asking.fixture.ts';
import { createGateway } from './gateway.ts';
import { startWorld } from './world.fixture.ts';

describe('passing on', () => {
  test('the cloud serves when the link is ONLINE, the box otherwise, and the answer says which', async () => {
    await using world = await startWorld();
    expect(await ask(world, '/a?b=1')).toMatchObject({
      site: 'cloud',
      state: 'ONLINE',
      body: { url: '/a?b=1' },
    });
    for (const state of ['LOCAL', 'RECOVERING', 'CATCHING_UP'] as const) {
      world.to(state);
      const got = await ask(world);
      expect(got).toMatchObject({ site: 'box', state, body: { site: 'box' } });
      expect(got.headers.get('skooly-site')).toBe('box');
    }
    world.to('ONLINE');
    expect((await ask(world)).site).toBe('cloud');
  });

  test('with the policy local-first the box serves always', async () => {
    await using world = await startWorld({ policy: 'local-first' });
    expect((await ask(world)).site).toBe('box');
  });

  test('the request arrives as it was sent, with who sent it and without what belongs to the connection', async () => {
    await using world = await startWorld();
    const headers = { cookie: 'a=b', 'x-forwarded-for': '6.6.6.6', 'x-own': 'é'.normalize('NFC') };
    const { body } = await ask(world, '/x', { ...post('{"n":1}', headers), method: 'PUT' });
    expect(body).toMatchObject({
      method: 'PUT',
      body: '{"n":1}',
      headers: {
        cookie: 'a=b',
        'content-length': '7',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': `127.0.0.1:${world.port}`,
      },
    });
    expect(body.headers).not.toHaveProperty('x-forwarded-by');
  });

  test('several cookies, odd statuses, HEAD and a body without a length arrive whole', async () => {
    await using world = await startWorld({
      cloud: async (request, response) => {
        if (request.method === 'HEAD') return response.writeHead(200, { 'content-length': '12345' }).end();
        response.writeHead(418, { 'set-cookie': ['a=1', 'b=2'], connection: 'x-own', 'x-own': 'mine' });
        for await (const chunk of request) response.write(chunk);
        response.end();
      },
    });
    const head = await fetch(world.url, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe('12345');
    const stream = ReadableStream.from([Buffer.from('on'), Buffer.from('e')]);
    const got = await fetch(world.url, { method: 'POST', body: stream, duplex: 'half' } as RequestInit);
    expect(got.status).toBe(418);
    expect(got.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(got.headers.has('x-own')).toBe(false);
    expect(await got.text()).toBe('one');
  });

  test('20 MB go through whole in both directions', async () => {
    await using world = await startWorld({
      cloud: async (request, response) => {
        for await (const chunk of request) if (!response.write(chunk)) await once(response, 'drain');
        response.end();
      },
    });
    const sent = randomBytes(20 * 1024 * 1024);
    const got = await fetch(world.url, { method: 'POST', body: sent });
    const received = Buffer.from(await got.arrayBuffer());
    const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    expect(hash(received)).toBe(hash(sent));
  });

  test('an answer comes no faster than the user takes it', async () => {
    const piece = Buffer.alloc(1024 * 1024);
    const total = 256;
    let written = 0;
    await using world = await startWorld({
      cloud: async (_, response) => {
        const gone = once(response, 'close');
        for (; written < total && !response.destroyed; written += 1) {
          if (!response.write(piece))
            await Promise.race([new Promise((go) => response.once('drain', go)), gone]);
        }
        response.end();
      },
    });
    const user = connect(world.port, '127.0.0.1');
    user.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(user, 'readable');
    let before = -1;
    while (before !== written) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(written).toBeLessThan(total / 2);
    user.destroy();
  });

  test('the status page says who serves', async () => {
    await using world = await startWorld({ state: 'LOCAL' });
    const { body, headers } = await ask(world, '/.skooly-edge/status?x=1');
    expect(body).toEqual({ state: 'LOCAL', since: world.link.since.toISOString(), site: 'box' });
    expect(headers.get('cache-control')).toBe('no-store');
    expect(await ask(world, '/.skooly-edge/other')).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND' },
    });
  });

  test('a WebSocket is refused clearly, and an address of another host does not lead there', async () => {
    await using world = await startWorld();
    const send = (path: string, headers: Record<string, string>) =>
      new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const request = httpRequest(
          { host: '127.0.0.1', port: world.port, path, headers },
          async (response) => {
            let text = '';
            for await (const chunk of response) text += chunk;
            resolve({ status: response.statusCode, text });
          },
        );
        request.on('error', reject).end();
      });
    const socket = await send('/', { connection: 'upgrade', upgrade: 'websocket' });
    expect(socket).toMatchObject({ status: 501, text: expect.stringContaining('UPGRADE_REFUSED') });
    expect(await send('/', { connection: 'upgrade', upgrade: 'h2c' })).toMatchObject({ status: 200 });
    const other = await send('http://elsewhere.example/secret', {});
    expect(JSON.parse(other.text)).toMatchObject({ site: 'cloud', url: '/secret' });
    expect(await send('*', {})).toMatchObject({
      status: 400,
      text: expect.stringContaining('REQUEST_REFUSED'),
    });
  });

  test('a taken port is named', async () => {
    await using world = await startWorld();
    const { link } = world;
    const urls = { cloudUrl: new URL('http://127.0.0.1:1'), localUrl: new URL('http://127.0.0.1:1') };
    await using second = createGateway({
      link,
      ...urls,
      policy: 'fallback',
      clock: systemClock,
      logger: pino({ level: 'silent' }),
    });
    await expect(second.listen({ host: '127.0.0.1', port: world.port })).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(String(world.port)),
      advice: expect.stringContaining('EDGE_GATEWAY_LISTEN'),
    });
  });
});

describe('when the box cannot serve', () => {
  test('Skooly on the box away: a plain answer for a program and a page for a person', async () => {
    await using world = await startWorld({ state: 'LOCAL' });
    await world.kill('box');
    for (const init of [{}, post('1'), post('1', keyed)]) {
      const got = await ask(world, '/', init);
      expect(got).toMatchObject({ status: 502, body: { code: 'BOX_APP_UNREACHABLE' } });
      expect(JSON.stringify(got.body)).not.toMatch(/ECONN|at .*\.ts/);
    }
    const page = await ask(world, '/', { headers: { accept: 'text/html', 'accept-language': 'en' } });
    expect(page.body).toContain('Skooly does not answer');
  });

  test('a write that Skooly on the box did not answer has an unknown outcome', async () => {
    await using world = await startWorld({ state: 'LOCAL', box: (request) => void request.socket.destroy() });
    expect(await ask(world, '/', post('1', keyed))).toMatchObject({ body: { code: 'OUTCOME_UNKNOWN' } });
  });

  test('without the data of the school the cloud serves whenever it is there', async () => {
    let ready = false;
    await using world = await startWorld({ state: 'LOCAL', boxReady: () => ready });
    expect(await ask(world)).toMatchObject({ status: 503, body: { code: 'BOX_NOT_READY' } });
    world.to('CATCHING_UP');
    expect(await ask(world)).toMatchObject({ site: 'cloud' });
    ready = true;
    expect(await ask(world)).toMatchObject({ site: 'cloud' });
    const steps = {
      catchUp: async () => undefined,
      drain: () => Promise.reject(new Error('must not be called')),
    };
    expect(await world.gateway.failback(steps)).toMatchObject({ outcome: 'done', pauseMs: null });
    world.to('LOCAL');
    expect(await ask(world)).toMatchObject({ site: 'box' });
  });

  test('and says so when the cloud fails then', async () => {
    await using world = await startWorld({ boxReady: () => false });
    await world.kill('cloud');
    expect(await ask(world)).toMatchObject({ status: 502, body: { code: 'CLOUD_APP_UNREACHABLE' } });
  });
});
