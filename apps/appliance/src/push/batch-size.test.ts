import { describe, expect, it } from 'vitest';
import { BatchSize } from './batch-size.ts';

const kib = 1024;

describe('the size of the next batch', () => {
  it('is what the link carries in about two seconds', () => {
    const size = new BatchSize();
    size.sent(size.bytes, 4_000);
    expect(size.bytes).toBe(256 * kib);
  });

  it('does not count the round trip, which is the least of the questions before', () => {
    const size = new BatchSize();
    for (const elapsedMs of [1_800, 600, 900]) size.asked(elapsedMs);
    size.sent(size.bytes, 3_100);
    expect(size.bytes).toBe(Math.round((512 * kib * 2_000) / 2_500));
  });

  it('believes a round trip up to half of the time, and forgets old ones', () => {
    const size = new BatchSize();
    size.asked(3_900);
    size.sent(size.bytes, 4_000);
    expect(size.bytes).toBe(512 * kib);
    for (let i = 0; i < 8; i++) size.asked(0);
    size.sent(size.bytes, 4_000);
    expect(size.bytes).toBe(256 * kib);
  });

  it('grows by no more than sixteen times at once, and never beyond 4 MiB', () => {
    const size = new BatchSize();
    for (let i = 0; i < 20; i++) size.failed();
    size.sent(size.bytes, 1);
    expect(size.bytes).toBe(256 * kib);
    size.sent(size.bytes, 0);
    size.sent(size.bytes, 0);
    expect(size.bytes).toBe(4096 * kib);
  });

  it('shrinks by no more than half for one answer, however late it came', () => {
    const size = new BatchSize();
    size.sent(size.bytes, 60_000);
    expect(size.bytes).toBe(256 * kib);
  });

  it('learns nothing from a batch that was far from full', () => {
    const size = new BatchSize();
    size.sent(10, 60_000);
    expect(size.bytes).toBe(512 * kib);
  });

  it('is halved by a failure, but stays large enough to make progress', () => {
    const size = new BatchSize();
    size.failed();
    expect(size.bytes).toBe(256 * kib);
    for (let i = 0; i < 20; i++) size.failed();
    expect(size.bytes).toBe(16 * kib);
  });

  it('recovers from the smallest size once the link is good again', () => {
    const size = new BatchSize();
    for (let i = 0; i < 20; i++) size.failed();
    size.sent(size.bytes, 100);
    expect(size.bytes).toBe(256 * kib);
  });

  it('lets two be on their way only over a link that carries the largest', () => {
    const size = new BatchSize();
    expect(size.window).toBe(1);
    size.sent(size.bytes, 10);
    expect(size.window).toBe(2);
    size.failed();
    expect(size.window).toBe(1);
  });
});
