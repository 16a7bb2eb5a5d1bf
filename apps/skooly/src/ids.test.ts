import { expect, test } from 'vitest';
import { attendanceId, clientId, markId, receiptId, rollCallId } from './ids.ts';
import { seededRandom } from './seed/random.ts';

test('ids of natural keys stay what they are: rows of a whole country hang on them', () => {
  const rollCall = rollCallId('c59492fa-2c2f-5cee-9976-a396f7efae66', '2026-02-10', 3);
  expect(rollCall).toBe('6f76ff55-8d79-55a2-9b74-fa6b9e582ab5');
  expect(attendanceId(rollCall, '0198bbfa-4d80-7368-88bb-700ca072376b')).toBe(
    '84ac72d9-236a-5165-ac52-3821dc0474bc',
  );
});

test('one pupil has different ids as the pupil of different things', () => {
  expect(markId('a', 'b')).not.toBe(attendanceId('a', 'b'));
  expect(receiptId('a', 'cloud')).not.toBe(receiptId('a', 'mvan'));
});

test('a client-made id is a UUIDv7 that sorts by its moment and repeats with its random source', () => {
  const made = (ms: number, seed: number) => clientId(ms, seededRandom(seed).next);
  expect(made(1_770_000_000_000, 1)).toMatch(/^019c1c38-a400-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(made(1_770_000_000_000, 1)).toBe(made(1_770_000_000_000, 1));
  expect(made(1_770_000_000_000, 1)).not.toBe(made(1_770_000_000_000, 2));
  expect(made(1_770_000_000_000, 9) < made(1_770_000_000_001, 1)).toBe(true);
});
