import { describe, expect, test } from 'vitest';
import { nextBlock } from './allot.ts';

const int4 = 2_147_483_647;
const none = { last: 0, beforeRestore: false };

describe('the next block', () => {
  test('begins behind everything that was used before there were blocks', () => {
    expect(nextBlock(none, { highest: int4, used: 5_000_000, campuses: 1 })).toEqual({
      first: 5_000_001,
      last: 6_000_000,
    });
  });

  test('follows the last one', () => {
    const wanted = { highest: int4, used: 0, campuses: 1 };
    expect(nextBlock({ last: 6_000_000, beforeRestore: false }, wanted)).toEqual({
      first: 6_000_001,
      last: 7_000_000,
    });
  });

  test('is large in a column of 8 bytes, and small in one of 2', () => {
    const size = (highest: number) => {
      const block = nextBlock(none, { highest, used: 0, campuses: 1 });
      return block && block.last - block.first + 1;
    };
    expect([size(Number.MAX_SAFE_INTEGER), size(int4), size(32_767)]).toEqual([1e9, 1e6, 1e3]);
  });

  test('begins behind what a campus has used of no block', () => {
    const wanted = { highest: int4, used: 9_000_000, campuses: 1 };
    expect(nextBlock({ last: 6_000_000, beforeRestore: false }, wanted)?.first).toBe(9_000_001);
  });

  test('does not believe a campus that claims to have used them all', () => {
    const wanted = { highest: int4, used: int4, campuses: 1 };
    expect(nextBlock({ last: 6_000_000, beforeRestore: false }, wanted)?.first).toBe(22_000_001);
  });

  test('leaves room for what was given out before a restore of the cloud and is forgotten', () => {
    const wanted = { highest: int4, used: 0, campuses: 3 };
    expect(nextBlock({ last: 6_000_000, beforeRestore: true }, wanted)?.first).toBe(11_000_001);
  });

  test('is a small one at the end, and none behind it', () => {
    const wanted = { highest: 32_767, used: 0, campuses: 1 };
    expect(nextBlock({ last: 32_000, beforeRestore: false }, wanted)).toEqual({
      first: 32_001,
      last: 32_767,
    });
    expect(nextBlock({ last: 32_767, beforeRestore: false }, wanted)).toBeNull();
    expect(nextBlock({ last: 32_000, beforeRestore: true }, wanted)).toEqual({ first: 32_001, last: 32_767 });
  });
});
