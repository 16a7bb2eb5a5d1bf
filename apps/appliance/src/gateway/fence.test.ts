import { expect, test } from 'vitest';
import { Fence } from './fence.ts';

test('what it held goes on in order when it is lifted, except what was taken out', () => {
  const fence = new Fence({ heldMax: 10 });
  const order: number[] = [];
  fence.raise(() => undefined);
  fence.hold(() => order.push(1));
  const takeOut = fence.hold(() => order.push(2));
  fence.hold(() => order.push(3));
  takeOut();
  expect(fence.held).toBe(2);
  fence.lift();
  expect(order).toEqual([1, 3]);
  expect(fence).toMatchObject({ raised: false, held: 0 });
});

test('one write more than it may hold and it asks to be lifted', () => {
  const fence = new Fence({ heldMax: 1 });
  let full = 0;
  fence.raise(() => {
    full += 1;
  });
  fence.hold(() => undefined);
  expect(full).toBe(0);
  fence.hold(() => undefined);
  expect(full).toBe(1);
});

test('it is idle once every write under way has left, and leaving twice counts once', async () => {
  const fence = new Fence({ heldMax: 1 });
  await fence.idle();
  const leave = [fence.enter(), fence.enter()] as const;
  let idle = false;
  const waiting = fence.idle().then(() => {
    idle = true;
  });
  leave[0]();
  leave[0]();
  await Promise.resolve();
  expect(idle).toBe(false);
  expect(fence.underWay).toBe(1);
  leave[1]();
  await waiting;
});
