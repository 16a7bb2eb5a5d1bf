import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../support/manual-clock.ts';
import { Lane, type Sender } from './lane.ts';

class Heap implements Sender {
  sent = 0;
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  takeTurn(maxBytes: number): number {
    const part = Math.min(maxBytes, this.#left);
    this.#left -= part;
    this.sent += part;
    return part;
  }
}

describe('a lane of the cable', () => {
  test('sends everything at once while its bandwidth is unlimited', () => {
    const lane = new Lane(new ManualClock());
    const heap = new Heap(10_000_000);
    lane.request(heap);
    expect(heap.sent).toBe(10_000_000);
  });

  test('sends what its bandwidth allows in the time', () => {
    const clock = new ManualClock();
    const lane = new Lane(clock);
    lane.setBandwidth(800);
    const heap = new Heap(10_000_000);
    lane.request(heap);
    clock.advance(10_000);
    expect(heap.sent).toBeGreaterThan(990_000);
    expect(heap.sent).toBeLessThan(1_010_000);
  });

  test('shares its bandwidth fairly between a bulk transfer and a small one', () => {
    const clock = new ManualClock();
    const lane = new Lane(clock);
    lane.setBandwidth(800);
    const bulk = new Heap(10_000_000);
    const small = new Heap(5_000);
    lane.request(bulk);
    clock.advance(1_000);
    lane.request(small);
    clock.advance(150);
    expect(small.sent).toBe(5_000);
  });

  test('sends nothing while it is closed, and goes on when it opens', () => {
    const clock = new ManualClock();
    const lane = new Lane(clock);
    lane.setOpen(false);
    const heap = new Heap(1_000);
    lane.request(heap);
    clock.advance(60_000);
    expect(heap.sent).toBe(0);
    lane.setOpen(true);
    expect(heap.sent).toBe(1_000);
  });
});
