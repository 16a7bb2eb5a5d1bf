import { expect, test } from 'vitest';
import { ask, keyed, noteInto, post, slowSite } from './asking.fixture.ts';
import { startWorld, until } from './world.fixture.ts';

test('a box without room refuses writes with a page of its own, and goes on answering reads', async () => {
  const seen: string[] = [];
  const note = noteInto(seen);
  let room = false;
  await using world = await startWorld({ state: 'LOCAL', box: note('box'), boxMayWrite: () => room });
  expect(await ask(world, '/pay', post('7500'))).toMatchObject({
    status: 507,
    body: { code: 'DISK_FULL' },
  });
  const page = await ask(world, '/pay', post('7500', { accept: 'text/html', 'accept-language': 'fr' }));
  expect(page.body).toContain("n'a pas été enregistrée");
  expect(await ask(world, '/list')).toMatchObject({ status: 200, site: 'box' });
  expect(seen).toEqual(['box /list']);
  room = true;
  expect(await ask(world, '/pay', post('7500'))).toMatchObject({ status: 200, site: 'box' });
});

test('a box without room lets writes through to the cloud', async () => {
  await using world = await startWorld({ boxMayWrite: () => false });
  expect(await ask(world, '/pay', post('7500'))).toMatchObject({ status: 200, site: 'cloud' });
});

test('a write that the cloud may have done has an unknown outcome when the box has no room to repeat it', async () => {
  const cloud = slowSite('cloud');
  await using world = await startWorld({ cloud: cloud.listener, boxMayWrite: () => false });
  const got = ask(world, '/pay', post('7500', keyed));
  await until(() => cloud.seen.length === 1);
  world.to('LOCAL');
  expect(await got).toMatchObject({ status: 504, body: { code: 'OUTCOME_UNKNOWN' } });
});
