import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../link/clock.ts';
import { createGateway } from './gateway.ts';
import { answer, door, startWorld, until, type World, type WorldOptions } from './world.fixture.ts';

interface Got {
  status: number;
  site: string | null;
  state: string | null;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server said
  body: any;
}

async function ask(world: World, path = '/', init: RequestInit = {}): Promise<Got> {
  const response = await fetch(`${world.url}${path}`, { headers: {}, ...init });
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('html') ? text : JSON.parse(text);
  const { headers, status } = response;
  return {
    status,
    site: headers.get('x-skooly-edge-site'),
    state: headers.get('x-skooly-edge-state'),
    headers,
    body: json,
  };
}

const post = (body: string, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body,
  headers,
});
const keyed = { 'idempotency-key': 'k-1' };

/** A site that takes requests and answers none until the door is opened. */
function slowSite(site: string) {
  const gate = door();
  const seen: IncomingMessage[] = [];
  return {
    seen,
    open: gate.open,
    listener: (async (request, response) => {
      seen.push(request);
      await gate.opened;
      await answer(site)(request, response);
    }) satisfies WorldOptions['cloud'],
  };
}

/** A site that writes down what reached it. */
function noteInto(seen: string[]) {
  return (site: string): RequestListener =>
    (request, response) => {
      seen.push(`${site} ${request.url}`);
      answer(site)(request, response);
    };
}

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

describe('when the cable goes', () => {
  test('a read under way is answered by the box', async () => {
    const cloud = slowSite('cloud');
    await using world = await startWorld({ cloud: cloud.listener });
    const got = ask(world, '/page');
    await until(() => cloud.seen.length === 1);
    world.to('LOCAL');
    expect(await got).toMatchObject({ status: 200, site: 'box', body: { url: '/page' } });
    expect(world.gateway.snapshot()).toMatchObject({ repeatedAtBox: 1, site: 'box' });
  });

  test('a keyed write under way is done once by the box, with the same body', async () => {
    const cloud = slowSite('cloud');
    const bodies: string[] = [];
    await using world = await startWorld({
      cloud: cloud.listener,
      box: async (request, response) => {
        let text = '';
        for await (const chunk of request) text += chunk;
        bodies.push(`${request.headers['idempotency-key']} ${text}`);
        response.end('{}');
      },
    });
    const got = ask(world, '/pay', post('7500', keyed));
    await until(() => cloud.seen.length === 1);
    world.to('LOCAL');
    expect(await got).toMatchObject({ status: 200, site: 'box' });
    expect(bodies).toEqual(['k-1 7500']);
  });

  test('a write without a key that got no answer has an unknown outcome, and is not done by the box', async () => {
    const cloud = slowSite('cloud');
    const box = slowSite('box');
    await using world = await startWorld({ cloud: cloud.listener, box: box.listener });
    const french = ask(world, '/pay', post('7500', { 'accept-language': 'fr-CM,fr;q=0.9,en;q=0.8' }));
    const english = ask(world, '/pay', post('7500', { 'accept-language': 'en' }));
    const page = ask(world, '/pay', post('7500', { accept: 'text/html,*/*' }));
    await until(() => cloud.seen.length === 3);
    world.to('LOCAL');
    expect(await french).toMatchObject({
      status: 504,
      body: {
        code: 'OUTCOME_UNKNOWN',
        message: expect.stringContaining('On ne sait pas'),
        advice: expect.any(String),
      },
    });
    expect(await english).toMatchObject({ body: { message: expect.stringContaining('not known') } });
    expect((await page).body).toMatch(/<html lang="fr">.*Résultat inconnu/s);
    expect(box.seen).toHaveLength(0);
    expect(world.gateway.snapshot().outcomeUnknown).toBe(3);
  });

  test('an answer that the cloud still gives in time is given to the user', async () => {
    const cloud = slowSite('cloud');
    await using world = await startWorld({ cloud: cloud.listener, limits: { unsafeGraceMs: 30_000 } });
    const got = ask(world, '/pay', post('7500'));
    await until(() => cloud.seen.length === 1);
    world.to('LOCAL');
    cloud.open();
    expect(await got).toMatchObject({ status: 200, site: 'cloud', body: { body: '7500' } });
  });

  test('what could not even be sent is done by the box, with or without a key, and the link hears of it', async () => {
    await using world = await startWorld();
    await world.kill('cloud');
    expect(await ask(world, '/pay', post('7500'))).toMatchObject({ status: 200, site: 'box' });
    expect(world.link.state).toBe('SUSPECT');
  });

  test('a connection that breaks after the write was sent: the box for a keyed one, unknown for another', async () => {
    await using world = await startWorld({
      cloud: (request) => void request.resume().on('end', () => request.socket.destroy()),
    });
    expect(await ask(world, '/pay', post('1', keyed))).toMatchObject({ status: 200, site: 'box' });
    world.to('ONLINE');
    expect(await ask(world, '/pay', post('2'))).toMatchObject({
      status: 504,
      body: { code: 'OUTCOME_UNKNOWN' },
    });
  });

  test('a body too long to keep is not sent twice, but may be sent once to the box', async () => {
    const large = 'x'.repeat(5_000);
    const limits = { replayBodyBytes: 1_000 };
    await using broken = await startWorld({
      limits,
      cloud: (request) => void request.resume().on('end', () => request.socket.destroy()),
    });
    expect(await ask(broken, '/scan', post(large, keyed))).toMatchObject({
      body: { code: 'OUTCOME_UNKNOWN' },
    });
    await using refusing = await startWorld({ limits });
    await refusing.kill('cloud');
    expect(await ask(refusing, '/scan', post(large))).toMatchObject({ site: 'box', body: { body: large } });
  });

  test('an answer that breaks in the middle is cut off, not ended as if it were whole', async () => {
    await using world = await startWorld({
      cloud: (request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half', () => request.socket.destroy());
      },
    });
    await expect(fetch(world.url).then((response) => response.text())).rejects.toThrow();
    await using endless = await startWorld({ cloud: (_, response) => void response.write('half') });
    const response = await fetch(endless.url);
    endless.to('LOCAL');
    await expect(response.text()).rejects.toThrow();
  });

  test('an answer that still comes after the fall is let finish', async () => {
    await using world = await startWorld({
      limits: { unsafeGraceMs: 200 },
      cloud: async (_, response) => {
        for (let n = 0; n < 10; n += 1) {
          response.write('part ');
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        response.end();
      },
    });
    const response = await fetch(world.url);
    world.to('LOCAL');
    expect(await response.text()).toBe('part '.repeat(10));
  });
});

describe('while the cloud is suspect', () => {
  test('a read that it leaves waiting is answered by the box, before or after the suspicion began', async () => {
    const cloud = slowSite('cloud');
    await using world = await startWorld({ cloud: cloud.listener, limits: { patienceMs: 20 } });
    const before = ask(world, '/before');
    await until(() => cloud.seen.length === 1);
    world.to('SUSPECT');
    expect(await before).toMatchObject({ site: 'box', state: 'SUSPECT' });
    expect(await ask(world, '/after')).toMatchObject({ site: 'box', state: 'SUSPECT' });
  });

  test('the cloud answers the read if it comes first, or if the box cannot', async () => {
    const cloud = slowSite('cloud');
    await using world = await startWorld({
      cloud: cloud.listener,
      box: (_, response) => {
        response.writeHead(503).end();
        cloud.open();
      },
      limits: { patienceMs: 20 },
      state: 'SUSPECT',
    });
    expect(await ask(world)).toMatchObject({ status: 200, site: 'cloud' });
  });

  test('a keyed write goes to the cloud; one without a key waits for the verdict and is never left unknown', async () => {
    const seen: string[] = [];
    const note = noteInto(seen);
    await using world = await startWorld({ state: 'SUSPECT', cloud: note('cloud'), box: note('box') });
    expect(await ask(world, '/keyed', post('1', keyed))).toMatchObject({ site: 'cloud' });
    const well = ask(world, '/well', post('2'));
    await ask(world, '/after');
    expect(seen).toEqual(['cloud /keyed', 'cloud /after']);
    world.to('ONLINE');
    expect(await well).toMatchObject({ site: 'cloud', status: 200 });
    world.to('SUSPECT');
    const fallen = ask(world, '/fallen', post('3'));
    await ask(world, '/after');
    world.to('LOCAL');
    expect(await fallen).toMatchObject({ site: 'box', status: 200 });
  });

  test('it waits a bounded time only', async () => {
    await using world = await startWorld({ state: 'SUSPECT', limits: { suspectHoldMs: 20 } });
    expect(await ask(world, '/', post('1'))).toMatchObject({ site: 'cloud', state: 'SUSPECT' });
  });
});

describe('going back', () => {
  test('catches up while the box serves, holds new writes, lets those under way finish, then turns the switch', async () => {
    const box = slowSite('box');
    const order: string[] = [];
    await using world = await startWorld({ state: 'CATCHING_UP', box: box.listener });
    const underWay = ask(world, '/under-way', post('1')).then((got) => {
      order.push('under way done');
      return got;
    });
    await until(() => box.seen.length === 1);
    const drained = door();
    const result = world.gateway.failback({
      catchUp: async () => void order.push(`catch up, fence ${world.gateway.snapshot().fence}`),
      drain: async () => {
        order.push(`drain, ${world.gateway.snapshot().boxWritesUnderWay} under way`);
        await drained.opened;
      },
    });
    await until(() => world.gateway.snapshot().fence === 'raised');
    const held = [ask(world, '/held', post('2')), ask(world, '/held', post('3', keyed))];
    await until(() => world.gateway.snapshot().heldWrites === 2);
    expect(order).toEqual(['catch up, fence down']);
    box.open();
    await underWay;
    await until(() => order.length === 3);
    expect(order.slice(1)).toEqual(expect.arrayContaining(['under way done', 'drain, 0 under way']));
    expect(await ask(world, '/read')).toMatchObject({ site: 'box' });
    drained.open();
    for (const got of await Promise.all(held)) expect(got).toMatchObject({ status: 200, site: 'cloud' });
    expect(await result).toMatchObject({
      outcome: 'done',
      held: 2,
      reason: null,
      pauseMs: expect.any(Number),
    });
    expect(world.link.state).toBe('ONLINE');
    expect(world.gateway.snapshot()).toMatchObject({
      fence: 'down',
      heldWrites: 0,
      lastFailback: { held: 2 },
    });
  });

  const hang = () => new Promise<never>(() => undefined);
  const fails: [string, Partial<WorldOptions>, (world: World) => Promise<void>, RegExp][] = [
    ['the drain fails', {}, () => Promise.reject(new Error('the relay went away')), /relay went away/],
    ['the fence takes too long', { limits: { fenceMaxMs: 50 } }, hang, /more than 50 ms/],
    [
      'more writes come than it may hold',
      { limits: { heldMax: 0, fenceMaxMs: 60_000 } },
      hang,
      /more writes came/,
    ],
    [
      'the link falls',
      { limits: { fenceMaxMs: 60_000 } },
      (world) => {
        world.to('LOCAL');
        return hang();
      },
      /link fell/,
    ],
  ];
  test.each(fails)(
    'when %s the held writes go to the box, which serves on',
    async (_, options, drain, reason) => {
      await using world = await startWorld({ state: 'CATCHING_UP', ...options });
      const writes: Promise<Got>[] = [];
      const result = await world.gateway.failback({
        catchUp: async () => undefined,
        drain: async () => {
          writes.push(ask(world, '/held', post('1')));
          await until(
            () => world.gateway.snapshot().heldWrites === 1 || world.gateway.snapshot().fence === 'down',
          );
          await drain(world);
        },
      });
      expect(result).toMatchObject({ outcome: 'failed', reason: expect.stringMatching(reason) });
      expect(await writes[0]).toMatchObject({ status: 200, site: 'box' });
      expect(['LOCAL', 'RECOVERING']).toContain(world.link.state);
      expect(world.gateway.snapshot()).toMatchObject({ fence: 'down', heldWrites: 0 });
    },
  );

  test('a failed catching up holds no write at all', async () => {
    await using world = await startWorld({ state: 'CATCHING_UP' });
    const catchUp = () => Promise.reject(new Error('feed broken'));
    const drain = () => Promise.reject(new Error('must not be called'));
    const result = await world.gateway.failback({ catchUp, drain });
    expect(result).toMatchObject({ outcome: 'failed', pauseMs: null, reason: 'feed broken' });
    expect(world.link.state).toBe('RECOVERING');
  });

  test('is refused while it is under way, and comes to nothing in another state or when told to stop', async () => {
    await using world = await startWorld({ state: 'CATCHING_UP' });
    const stop = new AbortController();
    const first = world.gateway.failback({ catchUp: hang, drain: hang }, stop.signal);
    const again = { catchUp: async () => undefined, drain: async () => undefined };
    await expect(world.gateway.failback(again)).rejects.toMatchObject({ code: 'FAILBACK_RUNNING' });
    stop.abort();
    expect(await first).toMatchObject({ outcome: 'failed' });
    expect(await world.gateway.failback(again)).toMatchObject({ reason: 'the link is RECOVERING' });
  });

  test('with the policy local-first nobody waits', async () => {
    await using world = await startWorld({ state: 'CATCHING_UP', policy: 'local-first' });
    const drain = () => Promise.reject(new Error('must not be called'));
    const result = await world.gateway.failback({ catchUp: async () => undefined, drain });
    expect(result).toMatchObject({ outcome: 'done', pauseMs: null });
    expect(await ask(world)).toMatchObject({ site: 'box', state: 'ONLINE' });
  });

  test('a held write whose user goes away is done nowhere', async () => {
    const seen: string[] = [];
    const note = noteInto(seen);
    await using world = await startWorld({ state: 'CATCHING_UP', cloud: note('cloud'), box: note('box') });
    const drained = door();
    const result = world.gateway.failback({ catchUp: async () => undefined, drain: () => drained.opened });
    await until(() => world.gateway.snapshot().fence === 'raised');
    const gone = new AbortController();
    const write = ask(world, '/gone', { ...post('1'), signal: gone.signal });
    await until(() => world.gateway.snapshot().heldWrites === 1);
    gone.abort();
    await expect(write).rejects.toThrow();
    await until(() => world.gateway.snapshot().heldWrites === 0);
    drained.open();
    await result;
    await ask(world, '/after');
    expect(seen).toEqual(['cloud /after']);
  });

  test('the fence waits for a write on the box whose user has gone', async () => {
    const box = slowSite('box');
    await using world = await startWorld({ state: 'CATCHING_UP', box: box.listener });
    const gone = new AbortController();
    const write = ask(world, '/gone', { ...post('1'), signal: gone.signal });
    await until(() => box.seen.length === 1);
    gone.abort();
    await expect(write).rejects.toThrow();
    let drained = false;
    const drain = async () => {
      drained = true;
    };
    const result = world.gateway.failback({ catchUp: async () => undefined, drain });
    await until(() => world.gateway.snapshot().fence === 'raised');
    expect(world.gateway.snapshot().boxWritesUnderWay).toBe(1);
    expect(drained).toBe(false);
    box.open();
    expect(await result).toMatchObject({ outcome: 'done' });
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
