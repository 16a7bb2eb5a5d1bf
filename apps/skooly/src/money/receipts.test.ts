import { expect, test } from 'vitest';
import { receiptNumber, seriesOf } from './receipts.ts';

test('a receipt number tells campus, kind of site, year and place in the series', () => {
  const at = new Date('2026-03-01T08:00:00Z');
  expect(receiptNumber(seriesOf({ campusId: 'mvan', site: 'mvan', at }), 123)).toBe('MVAN-B-2026-000123');
  expect(receiptNumber(seriesOf({ campusId: 'mvan', site: 'cloud', at }), 45)).toBe('MVAN-C-2026-000045');
});

test('the year is the one on the wall in Douala', () => {
  const at = new Date('2026-12-31T23:30:00Z');
  expect(seriesOf({ campusId: 'mvan', site: 'cloud', at })).toBe('MVAN-C-2027');
});
