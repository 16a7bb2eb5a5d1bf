import { expect, test } from 'vitest';
import { standbyStatusUpdate } from './confirming-service.ts';

const at = (time: string) => standbyStatusUpdate(0x1_0000_0a00n, BigInt(Date.parse(time)) * 1000n);

test('a status update says thrice how far everything is durable', () => {
  const message = at('2026-11-23T00:00:00Z');
  expect(message).toHaveLength(34);
  expect(message.toString('latin1', 0, 1)).toBe('r');
  expect([1, 9, 17].map((offset) => message.readBigUInt64BE(offset))).toEqual(Array(3).fill(0x1_0000_0a00n));
  expect(message.readInt8(33)).toBe(0);
});

test('its time counts from 2000, and may lie before that', () => {
  expect(at('2000-01-01T00:00:01Z').readBigInt64BE(25)).toBe(1_000_000n);
  expect(at('1970-01-01T00:00:00Z').readBigInt64BE(25)).toBe(-946_684_800_000_000n);
});
