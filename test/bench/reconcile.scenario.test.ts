import { expect, test } from 'vitest';
import { benchReconcile } from './reconcile.ts';

test('the reconcile bench carries a small backlog to equal ends, on our side and on the peer’s', async () => {
  const result = await benchReconcile(2_000, () => {});
  expect(result).toMatchObject({ bench: 'reconcile', changes: 2_000, target: 1 });
  expect(result.ours.wireBytesPerChange).toBeGreaterThan(0);
  expect(result.peer.rawBytesPerChange).toBeGreaterThan(0);
});
