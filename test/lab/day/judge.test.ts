import { expect, test } from 'vitest';
import { type ConflictRow, judgeColumn, type Written } from './judge.ts';
import { postgresMoment } from './ledger.ts';

const wrote = (
  value: string | null,
  sentAtMs: number,
  answeredAtMs: number,
  acknowledged = true,
): Written => ({
  value,
  acknowledged,
  key: `key of ${value}`,
  sentAtMs,
  answeredAtMs,
});
const judge = (history: Written[], value: string | null, conflicts: ConflictRow[] = []) =>
  judgeColumn({ column: 'status', history, value, conflicts });

test('the value that was acknowledged last holds', () => {
  expect(judge([wrote('absent', 1, 2), wrote('late', 3, 4)], 'late').judgement).toBe('held');
});

test('an earlier value instead of the last one is a loss, with the request that was lost', () => {
  const verdict = judge([wrote('absent', 1, 2), wrote('late', 3, 4)], 'absent');
  expect(verdict).toEqual({ judgement: 'lost', expected: 'late', key: 'key of late' });
});

test('of writes that overlapped in time any may be the last', () => {
  expect(judge([wrote('absent', 1, 5), wrote('late', 3, 4)], 'absent').judgement).toBe('held');
  expect(judge([wrote('absent', 1, 5), wrote('late', 3, 4)], 'excused').judgement).toBe('lost');
});

test('a write of unknown outcome explains its own value and no other', () => {
  const history = [wrote('absent', 1, 2), wrote('late', 3, 9, false)];
  expect(judge(history, 'absent').judgement).toBe('held');
  expect(judge(history, 'late').judgement).toBe('held');
  expect(judge(history, 'excused').judgement).toBe('lost');
});

test('a value that gave way is settled when a conflict names it, also one that took the row away', () => {
  const conflict = {
    kind: 'update_differs',
    values: [{ status: 'absent' }, { status: 'late' }, { status: 'excused' }, null],
  };
  expect(judge([wrote('late', 1, 2)], 'excused', [conflict]).judgement).toBe('settled by conflict');
  const other = { kind: 'update_differs', values: [{ status: 'absent' }] };
  expect(judge([wrote('late', 1, 2)], 'excused', [other]).judgement).toBe('lost');
  expect(judge([wrote(null, 1, 2)], 'late', [{ kind: 'delete_differs', values: [] }]).judgement).toBe(
    'settled by conflict',
  );
});

test('a moment is written as Postgres writes it', () => {
  expect(postgresMoment(Date.parse('2026-02-10T08:10:00.000Z'))).toBe('2026-02-10 08:10:00+00');
  expect(postgresMoment(Date.parse('2026-02-10T08:10:00.120Z'))).toBe('2026-02-10 08:10:00.12+00');
});
