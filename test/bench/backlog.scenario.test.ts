import { expect, test } from 'vitest';
import { benchBacklog } from './backlog.ts';

test.each(['reconcile', 'pull'] as const)(
  'the bench %s carries a small backlog to equal ends, on our side and on the peer’s',
  async (bench) => {
    const result = await benchBacklog(bench, 2_000, () => {});
    expect(result).toMatchObject({ bench, changes: 2_000 });
    expect(result.ours.wireBytesPerChange).toBeGreaterThan(0);
    expect(result.peer.rawBytesPerChange).toBeGreaterThan(0);
  },
);
