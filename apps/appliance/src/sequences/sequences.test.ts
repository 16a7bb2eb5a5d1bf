import { isLow, numbersLeft } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { stateOf } from './sequences.ts';

const block = { first: 1_000_001, last: 2_000_000 };
const sequence = {
  ...block,
  name: 'public.note_id_seq',
  table: 'public.note',
  column: 'id',
  highest: 2_147_483_647,
  increment: 1,
};

test.each([
  [null, 'good'],
  [1_000_001, 'good'],
  [1_800_000, 'good'],
  [1_800_001, 'low'],
  [1_999_999, 'low'],
  [2_000_000, 'exhausted'],
] as const)('a sequence that has drawn %s of its block is %s', (used, state) => {
  expect(stateOf({ ...sequence, used, held: true })).toBe(state);
});

test('a sequence without a block of its own has none, however much is left', () => {
  expect(stateOf({ ...sequence, used: null, held: false })).toBe('none');
});

test('what is left of a block when the next one is asked for is 2,000 rows a day for 100 days', () => {
  let used = block.first;
  while (!isLow({ ...block, used })) used += 1_000;
  expect(numbersLeft({ ...block, used })).toBeGreaterThan(2_000 * 100 - 1_000);
});
