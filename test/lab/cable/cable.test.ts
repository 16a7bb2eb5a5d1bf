import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../seeded-random.ts';
import { Cable } from './cable.ts';
import { MAX_UNDER_WAY_BYTES, MAX_WAITING_BYTES } from './pipe.ts';

describe('the cable', () => {
  let cable: Cable;
  let cloud: Server;
  let cloudSockets: Socket[];
  let port: number;
  let onConnection: (socket: Socket) => void;

  beforeEach(async () => {
    cloudSockets = [];
    onConnection = (socket) => socket.pipe(socket);
    cloud = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      cloudSockets.push(socket);
      onConnection(socket);
    }).listen(0, '127.0.0.1');
    await once(cloud, 'listening');
    cable = new Cable({ random: () => 0.5 });
    port = await cable.lay({ host: '127.0.0.1', port: (cloud.address() as AddressInfo).port });
  });
  afterEach(async () => {
    await cable.close();
    for (const socket of cloudSockets) socket.destroy();
    cloud.close();
  });

  async function call(): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  async function say(socket: Socket, text: string): Promise<string> {
    socket.write(text);
    const [answer] = await once(socket, 'data');
    return String(answer);
  }

  async function hears(socket: Socket, ms: number): Promise<boolean> {
    const silence = sleep(ms).then(() => false);
    return await Promise.race([once(socket, 'data').then(() => true), silence]);
  }

  test('carries every byte in order, both ways, and counts them', async () => {
    const sent = randomBytes(5_000_000);
    const socket = await call();
    const received = buffer(socket);
    socket.end(sent);
    expect(
      createHash('sha256')
        .update(await received)
        .digest('hex'),
    ).toBe(createHash('sha256').update(sent).digest('hex'));
    expect(cable.status()).toMatchObject({ mode: 'up', bytesUp: 5_000_000, bytesDown: 5_000_000 });
  });

  test('carries every byte in order while it is slow, narrow and lossy', async () => {
    const random = seededRandom(7);
    cable = await relay(new Cable({ random }));
    cable.shape({ kbps: 40_000, rttMs: 20, lossPct: 1 });
    const sent = randomBytes(300_000);
    const socket = await call();
    const received = buffer(socket);
    socket.end(sent);
    expect((await received).equals(sent)).toBe(true);
  });

  async function relay(other: Cable): Promise<Cable> {
    await cable.close();
    port = await other.lay({ host: '127.0.0.1', port: (cloud.address() as AddressInfo).port });
    return other;
  }

  test('a cut keeps the connection, and lets nothing through until it is healed', async () => {
    const socket = await call();
    expect(await say(socket, 'before')).toBe('before');
    await cable.cut();
    socket.write('during');
    expect(await hears(socket, 150)).toBe(false);
    const answer = once(socket, 'data');
    await cable.heal();
    expect(String((await answer)[0])).toBe('during');
    expect(cloudSockets).toHaveLength(1);
  });

  test('a connection made during a cut reaches nobody until it is healed', async () => {
    await cable.cut();
    const socket = await call();
    socket.write('hello');
    expect(await hears(socket, 100)).toBe(false);
    expect(cloudSockets).toHaveLength(0);
    const answer = once(socket, 'data');
    await cable.heal();
    expect(String((await answer)[0])).toBe('hello');
  });

  test('a caller that gave up during a cut is never seen by the cloud', async () => {
    await cable.cut();
    const socket = await call();
    socket.destroy();
    await sleep(50);
    expect(cable.status().connections).toBe(0);
    await cable.heal();
    await sleep(50);
    expect(cloudSockets).toHaveLength(0);
  });

  test('the cloud hears of a campus end that died in a cut only after the heal', async () => {
    const socket = await call();
    await say(socket, 'hi');
    const gone = new Promise((heard) => cloudSockets[0]?.once('close', () => heard(true)));
    await cable.cut();
    socket.resetAndDestroy();
    expect(await Promise.race([gone, sleep(100).then(() => false)])).toBe(false);
    await cable.heal();
    expect(await gone).toBe(true);
  });

  test('a refusing cut resets connections and refuses new ones, and a heal lets them in again', async () => {
    const socket = await call();
    await say(socket, 'hi');
    const [error] = await Promise.all([once(socket, 'error'), cable.cut({ refuse: true })]);
    expect((error[0] as NodeJS.ErrnoException).code).toBe('ECONNRESET');
    const refused = connect({ port, host: '127.0.0.1' });
    await expect(once(refused, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await cable.heal();
    expect(await say(await call(), 'again')).toBe('again');
  });

  test('changes from one kind of cut to the other', async () => {
    await cable.cut({ refuse: true });
    await cable.cut();
    const socket = await call();
    expect(await hears(socket, 50)).toBe(false);
    expect(cable.status().mode).toBe('cut');
  });

  test('delays an answer by the round trip', async () => {
    const socket = await call();
    await say(socket, 'warm');
    cable.shape({ rttMs: 120 });
    const started = performance.now();
    await say(socket, 'hi');
    expect(performance.now() - started).toBeGreaterThanOrEqual(115);
    expect(performance.now() - started).toBeLessThan(400);
  });

  test('shares one bandwidth between connections', async () => {
    cable.shape({ kbps: 800 });
    onConnection = (socket) => socket.resume();
    const started = performance.now();
    const sockets = await Promise.all([call(), call()]);
    for (const socket of sockets) socket.end(Buffer.alloc(30_000));
    while (cable.status().bytesUp < 60_000) await sleep(5);
    const elapsed = performance.now() - started;
    expect(elapsed).toBeGreaterThan(520);
    expect(elapsed).toBeLessThan(1_500);
  });

  test('holds a bounded number of bytes when the cloud does not read', async () => {
    onConnection = (socket) => socket.pause();
    const socket = await call();
    const bytes = 64 * 1024 * 1024;
    socket.write(Buffer.alloc(bytes));
    await sleep(300);
    const kernelBuffers = 16 * 1024 * 1024;
    const taken = bytes - socket.writableLength;
    const held = socket.bytesWritten - socket.writableLength - cable.status().bytesUp;
    expect(taken).toBeLessThan(bytes);
    expect(held).toBeLessThan(MAX_UNDER_WAY_BYTES + 2 * MAX_WAITING_BYTES + kernelBuffers);
    socket.destroy();
  });

  test('resets a caller when nobody listens in the cloud', async () => {
    cloud.close();
    const socket = connect({ port, host: '127.0.0.1' });
    const [error] = await once(socket, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  test('passes a half-closed connection on, and the reset of the cloud too', async () => {
    onConnection = (socket) => {
      socket.resume();
      socket.on('end', () => socket.end('all read'));
    };
    const socket = await call();
    socket.end('question');
    expect(String(await buffer(socket))).toBe('all read');

    onConnection = (other) => other.resetAndDestroy();
    const second = connect({ port, host: '127.0.0.1' });
    const [error] = await once(second, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    await sleep(20);
    expect(cable.status().connections).toBe(0);
  });

  test('refuses a shape that no cable can have, by its name', () => {
    expect(() => cable.shape({ lossPct: 101 })).toThrow(/loss/);
    expect(() => cable.shape({ kbps: 0 })).toThrow(/kbps/);
    expect(() => cable.shape({ rttMs: Number.NaN })).toThrow(/rtt-ms/);
  });
});
