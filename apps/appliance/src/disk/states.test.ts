import { expect, test } from 'vitest';
import { type DiskState, diskEvent, diskTable } from './states.ts';

const GiB = 1024 ** 3;
const thresholds = { warnBytes: 4 * GiB, trimBytes: 2 * GiB, refuseBytes: GiB };

test.each([
  [10, 'ample'],
  [4.5, 'edgeOfWarn'],
  [3.9, 'low'],
  [2.3, 'edgeOfTrim'],
  [1.9, 'short'],
  [1.1, 'edgeOfRefuse'],
  [0.9, 'critical'],
  [0, 'critical'],
])('%s GiB free are %s', (free, event) => {
  expect(diskEvent(free * GiB, thresholds)).toBe(event);
});

function walk(...frees: number[]): DiskState[] {
  let state: DiskState = 'OK';
  return frees.map((free) => {
    state = diskTable[state][diskEvent(free * GiB, thresholds)];
    return state;
  });
}

test('a disk that fills is said, then trimmed for, then refuses writes', () => {
  expect(walk(9, 4.5, 3.9, 2.1, 1.9, 1.1, 0.9)).toEqual([
    'OK',
    'OK',
    'WARN',
    'WARN',
    'TRIM',
    'TRIM',
    'REFUSE',
  ]);
});

test('a disk at the edge does not flap', () => {
  expect(walk(3.9, 4.1, 3.9, 4.1)).toEqual(['WARN', 'WARN', 'WARN', 'WARN']);
  expect(walk(1.9, 2.1, 1.9)).toEqual(['TRIM', 'TRIM', 'TRIM']);
  expect(walk(0.9, 1.1, 0.9, 1.3)).toEqual(['REFUSE', 'REFUSE', 'REFUSE', 'TRIM']);
});

test('a disk that is given room is good at once', () => {
  expect(walk(0.5, 10)).toEqual(['REFUSE', 'OK']);
});

test('a write that failed for lack of room refuses further ones from every state', () => {
  for (const row of Object.values(diskTable)) expect(row.full).toBe('REFUSE');
});

test('what is not known changes nothing', () => {
  for (const [state, row] of Object.entries(diskTable)) expect(row.unknown).toBe(state);
});

test('thresholds close to one another still go in order', () => {
  const close = { warnBytes: 1.1 * GiB, trimBytes: 1.05 * GiB, refuseBytes: GiB };
  expect(diskEvent(1.04 * GiB, close)).toBe('edgeOfRefuse');
  expect(diskEvent(1.07 * GiB, close)).toBe('edgeOfTrim');
  expect(diskEvent(1.2 * GiB, close)).toBe('edgeOfWarn');
});
