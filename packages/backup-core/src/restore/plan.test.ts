import { describe, expect, test } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import { planRestore } from './plan.ts';
import type { Target } from './target.ts';

const SEGMENT = 0x1000000;
const begin = Date.parse('2026-11-23T09:00:00Z');
const minute = (n: number) => new Date(begin + n * 60_000).toISOString();
const at = (n: number): Target => ({ kind: 'time', ms: begin + n * 60_000, text: minute(n) });
const lsn = (n: number) =>
  `0/${Math.round(n * SEGMENT)
    .toString(16)
    .toUpperCase()}`;
const latest: Target = { kind: 'latest' };

function sealed(kind: SealedObject['kind'], name: string, about: object): SealedObject {
  const plain = { bytes: SEGMENT, sha256: '' };
  return { name, kind, bytes: 9, sha256: '', plain, recipients: [], sealedAt: minute(0), about } as never;
}
/** Segment `n` holds the commits of minute `n`. */
const wal = (n: number, timeline = 1, name = `wal-${timeline}-${n}`) =>
  sealed('wal', name, {
    systemIdentifier: '7',
    timeline,
    segment: `${timeline}`.padStart(8, '0') + `${n}`.padStart(16, '0'),
    startLsn: lsn(n),
    endLsn: lsn(n + 1),
    closedAt: minute(n + 1),
  });
const base = (n: number, timeline = 1) =>
  sealed('base', `base-${timeline}-${n}`, {
    systemIdentifier: '7',
    timeline,
    startLsn: lsn(n + 0.1),
    stopLsn: lsn(n + 0.5),
    startedAt: minute(n),
    endedAt: minute(n + 0.5),
  });
const history = (timeline: number) =>
  sealed('history', `history-${timeline}`, { systemIdentifier: '7', timeline });
const range = (from: number, to: number, timeline = 1) =>
  Array.from({ length: to - from }, (_, i) => wal(from + i, timeline));
const plan = (
  objects: SealedObject[],
  target: Target,
  histories: [number, string][] = [],
  timeline?: number,
  named?: string,
) => planRestore({ objects, histories: new Map(histories) }, target, { timeline, base: named });
const refused = (code: string, words: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(words) });

describe('one timeline', () => {
  const objects = [base(8), ...range(1, 20), base(2)];

  test('the base is the newest that ended at or before the moment', () => {
    expect(plan(objects, at(12)).base.name).toBe('base-1-8');
    expect(plan(objects, at(8.5)).base.name).toBe('base-1-8');
    expect(plan(objects, at(8.4)).base.name).toBe('base-1-2');
  });

  test('another base is used when it is named, and only when it precedes the moment', () => {
    expect(plan(objects, at(12), [], undefined, 'base-1-2').segments).toHaveLength(12);
    expect(() => plan(objects, at(8.4), [], undefined, 'base-1-8')).toThrow(
      refused('RESTORE_NO_BASE', 'base-1-8 is no base'),
    );
  });

  test('the WAL is that from the start of the base to the first segment that reaches the moment, and two more', () => {
    expect(plan(objects, at(12.5)).segments.map(({ objects }) => objects[0]?.name)).toEqual(
      range(8, 15).map(({ name }) => name),
    );
    expect(plan(objects, { kind: 'lsn', lsn: lsn(10.5) }).segments).toHaveLength(3);
    expect(plan(objects, latest).segments).toHaveLength(12);
  });

  test('a moment before the first base is refused', () => {
    expect(() => plan(objects, at(2.4))).toThrow(
      refused('RESTORE_NO_BASE', 'ended at 2026-11-23 09:02:30 UTC'),
    );
    expect(() => plan(range(1, 9), latest)).toThrow(refused('RESTORE_NO_BASE', 'no base backup at all'));
  });

  test('a moment that the WAL does not reach is refused, with how far it goes', () => {
    expect(() => plan(objects, at(20.5))).toThrow(
      refused('RESTORE_NOT_REACHED', '2026-11-23 09:20:00 UTC = 2026-11-23 10:20:00 Africa/Douala'),
    );
    expect(() => plan(objects, { kind: 'lsn', lsn: lsn(21) })).toThrow(
      refused('RESTORE_NOT_REACHED', '0/14000000'),
    );
  });

  test('a gap is refused where it lies before the target, and only there', () => {
    const holed = objects.filter(({ name }) => name !== 'wal-1-12');
    expect(plan(holed, at(11.9)).segments.map(({ objects: [one] }) => one?.name)).toEqual(
      range(8, 12).map(({ name }) => name),
    );
    expect(() => plan(holed, at(14))).toThrow(refused('RESTORE_WAL_GAP', '0/C000000'));
    expect(() => plan(holed, latest)).toThrow(refused('RESTORE_WAL_GAP', '0/C000000'));
  });

  test('a base whose own WAL is missing is no way to anything', () => {
    expect(() => plan([base(2)], latest)).toThrow(refused('RESTORE_NOT_REACHED', 'no WAL at all'));
  });

  test('a second object of the same segment can stand in for the first', () => {
    const twice = [...objects, wal(9, 1, 'again')];
    expect(plan(twice, latest).segments[1]?.objects.map(({ name }) => name)).toEqual(['wal-1-9', 'again']);
  });
});

describe('after a promotion', () => {
  /** Timeline 2 branches off in segment 10. Timeline 1 went on for a while, and is abandoned. */
  const text = `1\t${lsn(10.25)}\tno recovery target specified\n`;
  const objects = [base(2), ...range(1, 15), history(2), ...range(10, 20, 2)];
  const histories: [number, string][] = [[2, text]];

  test('the history is followed, and the segment of the branch is that of the new timeline', () => {
    const result = plan(objects, latest, histories);
    expect(result.timeline).toBe(2);
    expect(result.histories.map(({ name }) => name)).toEqual(['history-2']);
    expect(result.segments.map(({ objects: [one] }) => one?.name)).toEqual(
      [...range(2, 10), ...range(10, 20, 2)].map(({ name }) => name),
    );
  });

  test('a base that was taken on the abandoned branch stays on it', () => {
    const result = plan([...objects, base(12)], at(13.5), histories);
    expect([result.base.name, result.timeline]).toEqual(['base-1-12', 1]);
  });

  test('a timeline that is asked for is used, with a base that lies on it', () => {
    const result = plan([...objects, base(12)], at(13.5), histories, 2);
    expect([result.base.name, result.timeline]).toEqual(['base-1-2', 2]);
    expect(plan(objects, at(13.5), histories, 1).timeline).toBe(1);
  });
});
