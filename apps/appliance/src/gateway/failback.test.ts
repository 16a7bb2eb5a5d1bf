import { expect, test } from 'vitest';
import { ask, type Got, keyed, noteInto, post, slowSite } from './asking.fixture.ts';
import { door, startWorld, until, type World, type WorldOptions } from './world.fixture.ts';

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
