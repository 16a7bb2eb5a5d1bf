import { describe, expect, test } from 'vitest';
import { retransmissionStallMs } from './loss.ts';

function draws(...values: number[]): () => number {
  return () => values.shift() ?? 1;
}

describe('the stall of a lost packet', () => {
  test('is none on a cable without loss', () => {
    expect(retransmissionStallMs(1_000, { lossPct: 0, rttMs: 100 }, draws(0))).toBe(0);
  });

  test('is a retransmission timeout, and doubles while the packet is lost again', () => {
    const link = { lossPct: 10, rttMs: 300 };
    expect(retransmissionStallMs(1_000, link, draws(0.05, 0.5))).toBe(600);
    expect(retransmissionStallMs(1_000, link, draws(0.05, 0.05, 0.5))).toBe(600 + 1_200);
  });

  test('hits many segments more often than one', () => {
    const link = { lossPct: 10, rttMs: 0 };
    expect(retransmissionStallMs(1_000, link, draws(0.3))).toBe(0);
    expect(retransmissionStallMs(14_600, link, draws(0.3))).toBe(200);
  });

  test('ends, even when every packet is lost', () => {
    expect(retransmissionStallMs(1_000, { lossPct: 90, rttMs: 0 }, () => 0)).toBe(60_000);
  });
});
