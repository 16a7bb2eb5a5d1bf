import { expect, test } from 'vitest';
import { type BacklogBench, type BacklogResult, benchBacklog } from './backlog.ts';
import { wireOf } from './wire.ts';

const carried = new Map<BacklogBench, BacklogResult>();

test.each(['reconcile', 'pull'] as const)(
  'the bench %s carries a small backlog to equal ends, on our side and on the peer’s',
  async (bench) => {
    const result = await benchBacklog(bench, 2_000, () => {});
    expect(result).toMatchObject({ bench, changes: 2_000 });
    expect(result.ours.wireBytesPerChange).toBeGreaterThan(0);
    expect(result.peer.rawBytesPerChange).toBeGreaterThan(0);
    carried.set(bench, result);
  },
);

test('the bench wire says of both directions what crossed the cable over the raw stream, and is judged by the worse', () => {
  const [reconcile, pull] = [carried.get('reconcile'), carried.get('pull')];
  if (reconcile === undefined || pull === undefined) throw new Error('no backlog was carried');
  const wire = wireOf(reconcile, pull);
  expect(wire).toMatchObject({ bench: 'wire', changes: 2_000 });
  expect(wire.up.ratio * wire.up.rawBytesPerChange).toBeCloseTo(wire.up.bytesPerChange);
  expect(wire.down.ratio * wire.down.rawBytesPerChange).toBeCloseTo(wire.down.bytesPerChange);
  expect(wire.ratio).toBe(Math.max(wire.up.ratio, wire.down.ratio));
});
