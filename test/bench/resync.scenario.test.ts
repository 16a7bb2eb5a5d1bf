import { expect, test } from 'vitest';
import { benchResync } from './resync.ts';

test('the resync bench finds and repairs what differs in a small table', async () => {
  const result = await benchResync(5_000, 40, () => {});
  expect(result).toMatchObject({ bench: 'resync', rows: 5_000, differences: 40 });
  expect(result.differingBytes).toBeGreaterThan(0);
  expect(result.wireBytes).toBeGreaterThan(0);
  expect(result.copyBytes).toBeGreaterThan(result.differingBytes);
});
