import { groupOfEntries } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { type Arrival, Arrivals } from './arrivals.ts';

function arrival(bytes = 1): Arrival {
  const received = { epoch: 'cloud', firstSeq: 1, lastSeq: 1, block: Buffer.alloc(bytes), seal: '' };
  return {
    pieces: [{ received, group: groupOfEntries([]) }],
    isEnd: false,
    place: { shapeHandle: undefined, lastOffset: '-1' },
  };
}

/** Whether the stream may go on. */
async function mayGoOn(added: Promise<void>): Promise<boolean> {
  return Promise.race([
    added.then(() => true),
    new Promise<false>((resolve) => setImmediate(resolve, false)),
  ]);
}

test('what comes while something is applied is taken together', async () => {
  const arrivals = new Arrivals();
  const some = [arrival(), arrival(), arrival()];
  for (const one of some) expect(await mayGoOn(arrivals.add(one))).toBe(true);
  expect(await arrivals.take()).toEqual(some);
});

test('who takes waits for what comes', async () => {
  const arrivals = new Arrivals();
  const taken = arrivals.take();
  const one = arrival();
  await arrivals.add(one);
  expect(await taken).toEqual([one]);
});

test.each([
  ['four answers', [1, 1, 1, 1]],
  ['a large answer', [4 * 1024 * 1024]],
])('the stream waits behind %s until they are taken', async (_case, sizes) => {
  const arrivals = new Arrivals();
  const added = sizes.map((bytes) => arrivals.add(arrival(bytes)));
  const last = added.at(-1) as Promise<void>;
  expect(await mayGoOn(last)).toBe(false);
  expect(await arrivals.take()).toHaveLength(sizes.length);
  expect(await mayGoOn(last)).toBe(true);
});

test('when the stream ends, nobody waits, and what had come is still taken', async () => {
  const arrivals = new Arrivals();
  const large = arrival(5 * 1024 * 1024);
  const added = arrivals.add(large);
  arrivals.close();
  await added;
  await arrivals.add(arrival());
  expect(await arrivals.take()).toEqual([large]);
  expect(await arrivals.take()).toEqual([]);
});
