import { describe, expect, test } from 'vitest';
import type { Table } from '../postgres/apply/catalog.ts';
import { parseSyncMap, type TableRule } from '../sync-map/sync-map.ts';
import type { Row } from '../transaction/transaction.ts';
import type { PastDecision, RowWrite, StandingDecision } from './decision.ts';
import type { ConflictEntry } from './entry.ts';
import { maxPastDecisions, planUndo, undoDays } from './plan-undo.ts';

const columnNames = ['id', 'campus', 'mark', 'written_by'];
const now = new Date('2026-11-23T08:00:00Z');

const syncMap = parseSyncMap({
  version: 1,
  database: 'x',
  tables: { 'public.pupil': { scope: 'campus', policy: 'inbox', by: 'written_by' } },
});

const table = (changed: Partial<TableRule> = {}): Table => ({
  name: 'public.pupil',
  rule: { ...(syncMap.tables.get('public.pupil') as TableRule), ...changed },
  columns: new Map(columnNames.map((name) => [name, { name, type: 'text', arrayable: true }])),
  columnNames,
  keyColumns: ['id'],
  references: [],
  referencedBy: [],
  through: null,
});

const row = (mark: string, by = 'directrice'): Row => ({ id: '1', campus: 'mvan', mark, written_by: by });
const update: RowWrite = { op: 'update', before: { mark: '14' }, after: { mark: '12' } };

interface Given {
  wrote?: RowWrite | null;
  current?: Row | null;
  force?: boolean;
  at?: string;
  standing?: StandingDecision;
  past?: number;
  status?: ConflictEntry['status'];
  rule?: Partial<TableRule>;
}

function undo(given: Given) {
  const standing = given.standing ?? {
    action: 'campus',
    was: 'open',
    site: 'mvan',
    wrote: given.wrote ?? null,
  };
  const history: PastDecision[] = Array.from({ length: given.past ?? 0 }, () => ({
    decision: { action: 'cloud' },
    decidedAt: null,
    decidedBy: null,
    ended: 'undone',
    endedAt: '',
    endedBy: '',
  }));
  const entry = {
    kind: 'update_differs',
    table: 'public.pupil',
    key: { id: '1' },
    status: given.status ?? 'decided',
    decidedAt: given.at ?? '2026-11-20T08:00:00Z',
    decidedBy: 'directrice',
    decision: { ...standing, history },
  } as unknown as ConflictEntry;
  const current = given.current === undefined ? row('12') : given.current;
  return planUndo({
    entry,
    site: 'mvan',
    table: table(given.rule),
    current,
    force: given.force ?? false,
    now,
  });
}

const code = (given: Given) => {
  try {
    undo(given);
  } catch (error) {
    return (error as { code: string }).code;
  }
  return null;
};

describe('an undo', () => {
  test('writes back the columns that the decision wrote, and no others', () => {
    expect(undo({ wrote: update }).write).toEqual({
      op: 'update',
      before: { mark: '12' },
      after: { mark: '14' },
    });
    expect(undo({ wrote: null }).write).toBeNull();
  });

  test('does not mind a new author without a new value', () => {
    expect(undo({ wrote: update, current: row('12', 'prof') }).write?.after).toEqual({ mark: '14' });
  });

  test('leaves what somebody changed since, unless it is forced', () => {
    expect(code({ wrote: update, current: row('17', 'prof') })).toBe('CHANGED_SINCE');
    expect(undo({ wrote: update, current: row('17'), force: true }).write?.after).toEqual({ mark: '14' });
    expect(code({ wrote: update, current: null })).toBe('ROW_GONE');
  });

  test('deletes the row that was brought back, and brings back the one that was deleted', () => {
    const insert: RowWrite = { op: 'insert', before: null, after: row('12') };
    expect(undo({ wrote: insert }).write).toEqual({ op: 'delete', before: row('12'), after: null });
    expect(undo({ wrote: insert, current: null }).write).toBeNull();
    expect(code({ wrote: insert, current: row('13') })).toBe('CHANGED_SINCE');
    const remove: RowWrite = { op: 'delete', before: row('14'), after: null };
    expect(undo({ wrote: remove, current: null }).write).toEqual({
      op: 'insert',
      before: null,
      after: row('14'),
    });
    expect(code({ wrote: remove, current: row('15') })).toBe('CHANGED_SINCE');
    expect(undo({ wrote: remove, current: row('15'), force: true }).write?.op).toBe('update');
  });

  test('is possible for a while, and a number of times', () => {
    const day = 86_400_000;
    const before = (ms: number) => new Date(now.getTime() - ms).toISOString();
    expect(code({ wrote: update, at: before(undoDays * day) })).toBeNull();
    expect(code({ wrote: update, at: before(undoDays * day + 1) })).toBe('UNDO_TOO_LATE');
    expect(code({ wrote: update, past: maxPastDecisions - 1 })).toBeNull();
    expect(code({ wrote: update, past: maxPastDecisions })).toBe('HISTORY_FULL');
  });

  test('is only of a decision that stands', () => {
    expect(code({ status: 'open' })).toBe('NOT_DECIDED');
    expect(code({ standing: { action: 'undrop' } })).toBe('UNDO_PENDING');
  });

  test('does not write what its site may not write', () => {
    expect(code({ wrote: update, rule: { readOnlyColumns: ['mark'] } })).toBe('FORBIDDEN_HERE');
  });

  test('of what the cloud carries out is the cloud’s too', () => {
    expect(undo({ standing: { action: 'drop' } })).toMatchObject({ inCloud: true, write: null });
  });
});
