import { describe, expect, it } from 'vitest';
import { BatchSize } from './batch-size.ts';

const kib = 1024;

/** A full batch was answered while nothing else was on its way. */
function alone(size: BatchSize, elapsedMs: number): void {
  size.answered(size.sent(size.bytes, 0), elapsedMs);
}

/** Batches that the link carries one behind the other, one each `everyMs`, of which the box keeps as many on their way. */
function stream(
  size: BatchSize,
  { count, everyMs, ahead }: { count: number; everyMs: number; ahead: number },
) {
  const bytes = size.bytes;
  const onTheWay = Array.from({ length: ahead }, () => size.sent(bytes, 0));
  for (let i = 1; i <= count; i++) {
    const first = onTheWay.shift();
    if (first) size.answered(first, i * everyMs);
    onTheWay.push(size.sent(bytes, i * everyMs));
  }
  return bytes;
}

describe('what is put on its way', () => {
  it('is a batch of 256 KiB before anything is known of the link, and three behind it', () => {
    const size = new BatchSize();
    expect([size.bytes, size.onTheWay]).toEqual([256 * kib, 1024 * kib]);
  });

  it('is what the link carries in a second, and four times as much in all', () => {
    const size = new BatchSize();
    alone(size, 2_000);
    expect([size.bytes, size.onTheWay]).toEqual([128 * kib, 512 * kib]);
  });

  it('is so much more in all as arrives in a round trip', () => {
    const size = new BatchSize();
    size.asked(500);
    alone(size, 2_500);
    expect([size.bytes, size.onTheWay]).toEqual([128 * kib, 128 * 4.5 * kib]);
  });

  it('does not count the round trip, which is the least of the questions before', () => {
    const size = new BatchSize();
    for (const elapsedMs of [1_800, 600, 900]) size.asked(elapsedMs);
    alone(size, 2_600);
    expect(size.bytes).toBe(128 * kib);
  });

  it('believes a round trip up to half of the time, and forgets old ones', () => {
    const size = new BatchSize();
    size.asked(3_900);
    alone(size, 4_000);
    expect(size.bytes).toBe(128 * kib);
    for (let i = 0; i < 8; i++) size.asked(0);
    expect(size.onTheWay).toBe(512 * kib);
  });

  it('counts what was answered in the time of a batch, also where batches wait for one another', () => {
    const size = new BatchSize();
    const bytes = stream(size, { count: 12, everyMs: 1_000, ahead: 3 });
    expect(size.bytes).toBe(bytes);
  });

  it('is the best of the last answers, since lost packets hold some up', () => {
    const size = new BatchSize();
    alone(size, 1_000);
    const { bytes } = size;
    for (let i = 0; i < 7; i++) alone(size, 1_500);
    expect(size.bytes).toBe(bytes);
    alone(size, 1_500);
    expect(size.bytes).toBeLessThan(bytes);
  });

  it('grows by no more than sixteen times at once, and never beyond two of the largest batches', () => {
    const size = new BatchSize();
    const failed = size.sent(size.bytes, 0);
    for (let i = 0; i < 20; i++) size.failed(failed, true);
    const { bytes } = size;
    alone(size, 0);
    expect(size.bytes).toBeLessThanOrEqual(16 * bytes);
    for (let i = 0; i < 10; i++) alone(size, 0);
    expect([size.bytes, size.onTheWay]).toEqual([4096 * kib, 8192 * kib]);
  });

  it('shrinks by no more than half for one answer, however late it came', () => {
    const size = new BatchSize();
    alone(size, 60_000);
    expect(size.bytes).toBe(128 * kib);
  });

  it('learns nothing from a batch that was far from full', () => {
    const size = new BatchSize();
    size.answered(size.sent(10, 0), 60_000);
    expect(size.bytes).toBe(256 * kib);
  });

  it('is halved by a failure, but stays large enough to make progress', () => {
    const size = new BatchSize();
    size.failed(size.sent(size.bytes, 0), true);
    expect(size.bytes).toBe(128 * kib);
    for (let i = 0; i < 20; i++) size.failed(size.sent(size.bytes, 0), true);
    expect([size.bytes, size.onTheWay]).toEqual([16 * kib, 16 * kib]);
  });

  it('stays what it is when a batch was given up for another', () => {
    const size = new BatchSize();
    size.failed(size.sent(size.bytes, 0), false);
    expect(size.bytes).toBe(256 * kib);
  });

  it('recovers from the smallest size once the link is good again', () => {
    const size = new BatchSize();
    for (let i = 0; i < 20; i++) size.failed(size.sent(size.bytes, 0), true);
    for (let i = 0; i < 4; i++) alone(size, 10);
    expect(size.onTheWay).toBe(8192 * kib);
  });
});
