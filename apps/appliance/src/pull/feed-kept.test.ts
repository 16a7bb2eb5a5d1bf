import { expect, test } from 'vitest';
import { requireKept } from './feed-kept.ts';

test('a campus goes on from its cursor as long as the next entry is kept', () => {
  expect(() => requireKept({ feedAfter: 10 }, 10)).not.toThrow();
  expect(() => requireKept({ feedAfter: 10 }, 11)).not.toThrow();
  expect(() => requireKept({}, 0)).not.toThrow();
});

test('a campus whose next entry is gone is told to resync', () => {
  expect(() => requireKept({ feedAfter: 10 }, 9)).toThrow(expect.objectContaining({ code: 'FEED_TRIMMED' }));
});
