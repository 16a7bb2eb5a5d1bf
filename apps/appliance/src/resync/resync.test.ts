import type { RowVersion, Table } from '@skooly-edge/sync-protocol';
import { describe, expect, test } from 'vitest';
import { compareVersions } from './compare.ts';
import type { DecidedDifference } from './decide.ts';
import { LineMeter } from './line-meter.ts';
import { addToPlan, emptyTable, sumUp } from './plan.ts';
import { nextProofAt } from './proof-time.ts';
import { changeInto } from './repair.ts';
import { etaSeconds } from './report.ts';

const table = {
  name: 'public.mark',
  keyColumns: ['id'],
  rule: { by: 'entered_by', readOnlyColumns: ['series'] },
} as unknown as Table;
const version = (id: string, hash: string, bytes = 100): RowVersion => ({
  key: [id],
  hash,
  version: '7',
  bytes,
});

test('two lists of versions are the same, or tell which row is where', () => {
  const ours = [version('1', 'a'), version('2', 'b'), version('3', 'c')];
  expect(compareVersions(table, ours, ours)).toEqual([]);
  const found = compareVersions(table, ours, [version('4', 'd'), version('1', 'a'), version('2', 'x')]);
  expect(found.map(({ key, kind }) => [key.id, kind])).toEqual([
    ['2', 'differs'],
    ['3', 'campus_only'],
    ['4', 'cloud_only'],
  ]);
});

describe('a change of the cloud’s row into the campus’s', () => {
  const key = { id: '1' };
  const cloud = { id: '1', value: '8', series: 'C', entered_by: 'c' };

  test('names the columns that differ, but none that a campus may not write', () => {
    const own = { id: '1', value: '9', series: 'M', entered_by: 'm' };
    expect(changeInto(table, key, cloud, own)).toEqual({
      table: 'public.mark',
      key,
      op: 'update',
      before: { value: '8', entered_by: 'c' },
      after: { value: '9', entered_by: 'm' },
      by: 'm',
    });
    expect(changeInto(table, key, cloud, { ...cloud, series: 'M' })).toBeNull();
  });

  test('is an insert where the cloud has none, a delete where the campus has none, nothing where nobody has one', () => {
    expect(changeInto(table, key, null, cloud)).toMatchObject({ op: 'insert', before: null, after: cloud });
    expect(changeInto(table, key, cloud, null)).toMatchObject({ op: 'delete', before: cloud, after: null });
    expect(changeInto(table, key, null, null)).toBeNull();
  });
});

test('a plan counts rows and bytes in each direction, conflicts, and the time at the speed of the line', () => {
  const plan = emptyTable('public.mark', 1_000);
  const add = (difference: Partial<DecidedDifference>) =>
    addToPlan(plan, { key: {}, campus: null, cloud: null, ...difference } as DecidedDifference);
  const [ours, theirs] = [version('1', 'a', 100), version('1', 'b', 150)];
  add({ repair: 'offer', kind: 'differs', campus: ours, cloud: theirs });
  add({ repair: 'offer', kind: 'campus_only', campus: ours });
  add({ repair: 'correct', kind: 'cloud_only', cloud: theirs });
  add({ repair: 'correct', kind: 'campus_only', campus: ours });
  expect(plan).toMatchObject({
    differences: 4,
    toCloud: { rows: 2, bytes: 300 },
    toCampus: { rows: 3, bytes: 300 },
    conflicts: 2,
    repairs: { offer: 2, correct: 2 },
  });
  expect(sumUp('policy', [plan], { bytes: 5_000, bytesPerSecond: 300 })).toMatchObject({
    bytes: 600,
    seconds: 2,
  });
  expect(sumUp('policy', [plan], { bytes: 0, bytesPerSecond: null }).seconds).toBeNull();
});

test('the time left follows from what is done, and is not guessed before anything is', () => {
  expect(etaSeconds(0, 100, 5_000)).toBeNull();
  expect(etaSeconds(25, 100, 5_000)).toBe(15);
  expect(etaSeconds(120, 100, 5_000)).toBe(0);
});

test('a throttled line makes whoever moves bytes wait until they are paid for', async () => {
  let nowMs = 0;
  const waits: number[] = [];
  const meter = new LineMeter(
    1_000,
    () => nowMs,
    async (ms) => {
      waits.push(ms);
      nowMs += ms;
    },
  );
  const { signal } = new AbortController();
  await meter.moved(500, 20, signal);
  await meter.spend(2_000, signal);
  nowMs += 10_000;
  await meter.spend(100, signal);
  expect(waits).toEqual([500, 2_000, 100]);
  expect(meter.bytes).toBe(2_600);
  expect(meter.bytesPerSecond).toBe(25_000);
});

describe('the daily proof', () => {
  const at = (day: number, hours: number, minutes = 0) => new Date(2026, 10, day, hours, minutes).getTime();

  test('comes the night after the last one, strewn over an hour', () => {
    expect(nextProofAt('02:30', at(20, 2, 50), at(20, 9), 0)).toBe(at(21, 2, 30));
    expect(nextProofAt('02:30', at(20, 3, 29), at(20, 9), 0.5)).toBe(at(21, 3));
    expect(nextProofAt('02:30', at(20, 14), at(20, 14), 1)).toBe(at(21, 3, 30));
  });

  test('is made up for soon after the start by a box that was off at night', () => {
    expect(nextProofAt('02:30', at(18, 2, 40), at(20, 7), 0)).toBe(at(20, 7, 10));
  });
});
