import { encodeFeedBlock, type FeedEntry, openFeedBlock } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { EntryOrder } from './entry-order.ts';

const entry = (seq: number, more = false): FeedEntry => ({
  epoch: 'cloud',
  seq,
  stamp: { epoch: '', seq: 0 },
  committedAt: seq,
  lsn: seq,
  ...(more && { more }),
  changes: [],
  corrections: [],
});
const entries = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => entry(from + index));
const block = (some: readonly FeedEntry[]) => openFeedBlock(encodeFeedBlock(some));

/** The seqs of one group after the other. */
function drained(order: EntryOrder): number[][] {
  const seqs: number[][] = [];
  for (let groups = order.nextGroups(); groups.length > 0; groups = order.nextGroups()) {
    seqs.push(...groups.map(({ heads }) => heads.map(({ seq }) => seq)));
    order.done(groups);
  }
  return seqs;
}

test('a block is a group by itself, between the entries before and behind it', () => {
  const order = new EntryOrder(1);
  order.addBlock(block(entries(4, 6)));
  for (const one of [entry(7), entry(3), entry(2)]) order.add(one);
  expect(drained(order)).toEqual([[2, 3], [4, 5, 6], [7]]);
  expect([order.applied, order.empty]).toEqual([7, true]);
});

test('of a block that is applied in part the rest is applied', () => {
  const order = new EntryOrder(4);
  order.addBlock(block(entries(3, 6)));
  expect(drained(order)).toEqual([[5, 6]]);
});

test('of a block whose beginning came as entries the rest is applied', () => {
  const order = new EntryOrder(0);
  for (const one of entries(1, 4)) order.add(one);
  order.addBlock(block(entries(3, 6)));
  expect(drained(order).flat()).toEqual([1, 2, 3, 4, 5, 6]);
  expect(order.empty).toBe(true);
});

test('what has come is taken together, in order and up to a bound', () => {
  const order = new EntryOrder(0);
  order.addBlock(block(entries(6_002, 6_003)));
  for (const from of [1, 2_001, 4_001]) order.addBlock(block(entries(from, from + 1_999)));
  order.add(entry(6_001));
  order.addBlock(block(entries(6_004, 8_004)));
  const together = order.nextGroups().map(({ heads }) => heads.at(-1)?.seq);
  expect(together).toEqual([2_000, 4_000, 6_000, 6_001, 6_003]);
  order.done(order.nextGroups());
  expect(order.nextGroups().map(({ heads }) => heads.at(-1)?.seq)).toEqual([8_004]);
});

test('a block waits for what comes before it', () => {
  const order = new EntryOrder(0);
  order.addBlock(block(entries(3, 6)));
  order.add(entry(1));
  expect(drained(order)).toEqual([[1]]);
  order.add(entry(2));
  expect(drained(order)).toEqual([[2], [3, 4, 5, 6]]);
});

test('a commit that begins before a block, or goes on behind it, is one group', () => {
  const order = new EntryOrder(0);
  order.addBlock(block([entry(2), entry(3), entry(4, true)]));
  order.add(entry(1, true));
  expect(drained(order)).toEqual([[1, 2, 3]]);
  order.add(entry(5));
  expect(drained(order)).toEqual([[4, 5]]);
});
