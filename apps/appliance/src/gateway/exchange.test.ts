import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { ask, keyed, noteInto, post, slowSite } from './asking.fixture.ts';
import { door, startWorld, until } from './world.fixture.ts';

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

  test('a keyed write that the box refuses has an unknown outcome, since the cloud may have done it', async () => {
    const breaking = (request: IncomingMessage) =>
      void request.resume().on('end', () => request.socket.destroy());
    for (const [status, expected] of [
      [404, 504],
      [409, 504],
      [401, 401],
      [201, 201],
    ]) {
      await using world = await startWorld({
        cloud: breaking,
        box: (_, response) => void response.writeHead(status as number).end('{}'),
      });
      expect(await ask(world, '/reversal', post('1', keyed))).toMatchObject({
        status: expected,
        site: 'box',
      });
      expect(world.gateway.snapshot().outcomeUnknown).toBe(expected === 504 ? 1 : 0);
      await world.kill('cloud');
      world.to('LOCAL');
      expect(await ask(world, '/reversal', post('2', keyed))).toMatchObject({ status });
    }
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

  test('a link that is soon back does not leave it without an answer', async () => {
    const cloud = slowSite('cloud');
    await using world = await startWorld({ cloud: cloud.listener });
    const got = ask(world, '/pay', post('7500'));
    await until(() => cloud.seen.length === 1);
    for (const state of ['LOCAL', 'RECOVERING', 'ONLINE'] as const) world.to(state);
    expect(await got).toMatchObject({ status: 504, body: { code: 'OUTCOME_UNKNOWN' } });
  });

  test('a user who goes away in mid-upload casts no suspicion on the cloud', async () => {
    const arrived = door();
    const broken = door();
    await using world = await startWorld({
      limits: { replayBodyBytes: 1 },
      cloud: (request) => {
        request
          .once('data', arrived.open)
          .once('close', broken.open)
          .on('error', () => undefined);
      },
    });
    const user = connect(world.port, '127.0.0.1');
    user.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf');
    await arrived.opened;
    user.destroy();
    await broken.opened;
    expect(world.link.state).toBe('ONLINE');
    expect(await ask(world, '/.skooly-edge/status')).toMatchObject({ body: { state: 'ONLINE' } });
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
