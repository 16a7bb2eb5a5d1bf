import { describe, expect, test } from 'vitest';
import type { Table } from '../postgres/apply/catalog.ts';
import { parseSyncMap, type TableRule } from '../sync-map/sync-map.ts';
import type { NewDecision } from './decision.ts';
import type { ConflictEntry } from './entry.ts';
import { DecisionError } from './errors.ts';
import { planDecision } from './plan-decision.ts';

const columnNames = ['id', 'campus', 'name', 'mark', 'written_by'];

function table(changed: Partial<TableRule> = {}): Table {
  const map = parseSyncMap({
    version: 1,
    database: 'x',
    tables: { 'public.pupil': { scope: 'campus', policy: 'inbox', by: 'written_by' } },
  });
  return {
    name: 'public.pupil',
    rule: { ...(map.tables.get('public.pupil') as TableRule), ...changed },
    columns: new Map(columnNames.map((name) => [name, { name, type: 'text', arrayable: true }])),
    columnNames,
    keyColumns: ['id'],
    references: [],
    referencedBy: [],
    through: null,
  };
}

const standing = { id: '1', campus: 'mvan', name: 'Abena', mark: '14', written_by: 'prof' };

function entry(changed: Partial<ConflictEntry> = {}): ConflictEntry {
  return {
    id: '0198bbfa-4d80-8593-8987-1744a7d36247',
    campus: 'mvan',
    kind: 'update_differs',
    table: 'public.pupil',
    key: { id: '1' },
    before: { mark: '10' },
    campusValue: { mark: '12' },
    cloudValue: { mark: '14' },
    result: { mark: '14' },
    rule: { mark: 'inbox' },
    detail: null,
    parked: null,
    status: 'open',
    campusAt: '2026-11-23T07:00:00Z',
    cloudAt: null,
    campusBy: 'prof',
    cloudBy: 'cloud',
    campusEpoch: 'e',
    campusSeq: 1,
    createdAt: '2026-11-23T07:00:01Z',
    decidedAt: null,
    decidedBy: null,
    decision: null,
    ...changed,
  };
}

interface Given {
  entry?: Partial<ConflictEntry>;
  rule?: Partial<TableRule>;
  site?: string;
  current?: Record<string, string> | null;
  table?: undefined;
}

const plan = (decision: NewDecision, given: Given = {}) =>
  planDecision({
    entry: entry(given.entry),
    decision,
    site: given.site ?? 'mvan',
    table: 'table' in given ? undefined : table(given.rule),
    current: given.current === undefined ? standing : given.current,
  });

function refusal(decision: NewDecision, given: Given = {}): DecisionError {
  try {
    plan(decision, given);
  } catch (error) {
    if (error instanceof DecisionError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

const parkedEntry: Partial<ConflictEntry> = {
  kind: 'unique_clash',
  rule: { '*': 'inbox' },
  parked: [
    { table: 'public.pupil', key: { id: '1' }, op: 'insert', before: null, after: standing },
    { table: 'public.pupil', key: { id: '2' }, op: 'delete', before: standing, after: null },
  ],
};

describe('a decision about values', () => {
  test('writes the columns that are to be other than they are, and no more', () => {
    expect(plan({ action: 'campus' })).toEqual({
      write: { op: 'update', before: { mark: '14' }, after: { mark: '12' } },
      changedSince: false,
    });
    expect(plan({ action: 'cloud' }).write).toBeNull();
    expect(plan({ action: 'values', values: { mark: '13' } }).write?.after).toEqual({ mark: '13' });
  });

  test('may be about a row that changed since, and says so', () => {
    const current = { ...standing, mark: '16' };
    expect(plan({ action: 'campus' }, { current })).toMatchObject({ changedSince: true });
  });

  test('gives no value to a column that is not in dispute, a key, or one that there is not', () => {
    for (const column of ['name', 'id', 'nom']) {
      const error = refusal({ action: 'values', values: { [column]: 'x' } });
      expect(error).toMatchObject({ code: 'COLUMN_UNKNOWN', params: { column, allowed: 'mark' } });
    }
    expect(refusal({ action: 'values', values: {} }).code).toBe('VALUES_MISSING');
  });

  test('about a row that is gone can only leave it so', () => {
    expect(refusal({ action: 'campus' }, { current: null }).code).toBe('ROW_GONE');
    expect(plan({ action: 'cloud' }, { current: null })).toEqual({ write: null, changedSince: true });
  });

  test('about a unique clash that got a suffix is one about values', () => {
    const suffixed: Partial<ConflictEntry> = {
      kind: 'unique_clash',
      rule: { mark: 'suffix' },
      status: 'settled',
    };
    expect(plan({ action: 'campus' }, { entry: suffixed }).write?.after).toEqual({ mark: '12' });
  });
});

describe('a decision about a row', () => {
  const updateMissing: Partial<ConflictEntry> = { kind: 'update_missing', cloudValue: null, result: null };
  const deleteDiffers: Partial<ConflictEntry> = {
    kind: 'delete_differs',
    campusValue: null,
    cloudValue: standing,
    result: standing,
  };

  test('brings it back only whole, and names what the conflict does not know', () => {
    const error = refusal({ action: 'campus' }, { entry: updateMissing, current: null });
    expect(error).toMatchObject({ code: 'ROW_INCOMPLETE', params: { columns: 'campus, name, written_by' } });
    const values = { campus: 'mvan', name: 'Abena', written_by: 'prof' };
    const given = plan({ action: 'values', values }, { entry: updateMissing, current: null });
    expect(given.write).toMatchObject({ op: 'insert', after: { ...standing, mark: '12' } });
    const whole = { ...updateMissing, before: { ...standing, mark: '10' } };
    expect(plan({ action: 'campus' }, { entry: whole, current: null }).write?.after).toEqual({
      ...standing,
      mark: '12',
    });
    expect(plan({ action: 'cloud' }, { entry: updateMissing, current: null }).write).toBeNull();
  });

  test('deletes it after all, or keeps it as it stands', () => {
    const write = { op: 'delete', before: standing, after: null };
    expect(plan({ action: 'campus' }, { entry: deleteDiffers }).write).toEqual(write);
    expect(plan({ action: 'cloud' }, { entry: deleteDiffers }).write).toBeNull();
    const gone = plan({ action: 'cloud' }, { entry: { ...deleteDiffers, result: null }, current: null });
    expect(gone.write).toEqual({ op: 'insert', before: null, after: standing });
  });

  test('has nothing to say where both sides deleted it', () => {
    expect(refusal({ action: 'cloud' }, { entry: { kind: 'delete_missing' } }).code).toBe('DELETED_TWICE');
  });
});

describe('a decision on campus', () => {
  test('does not write what the campus may not write; the cloud may', () => {
    const rules: Partial<TableRule>[] = [
      { direction: 'down' },
      { appendOnly: true },
      { readOnlyColumns: ['mark'] },
    ];
    for (const rule of rules) {
      expect(refusal({ action: 'campus' }, { rule }).code).toBe('FORBIDDEN_HERE');
      expect(plan({ action: 'campus' }, { rule, site: 'cloud' }).write).not.toBeNull();
      expect(plan({ action: 'cloud' }, { rule }).write).toBeNull();
    }
    const error = refusal({ action: 'campus' }, { current: { ...standing, campus: 'bafia' } });
    expect(error).toMatchObject({ code: 'FORBIDDEN_HERE', params: { site: 'mvan', what: 'public.pupil' } });
  });
});

describe('what cannot be decided', () => {
  test('is refused with who decided it already, when and how', () => {
    const decided: Partial<ConflictEntry> = {
      status: 'decided',
      decidedBy: 'directrice',
      decidedAt: '2026-11-23T07:10:00Z',
      decision: { action: 'cloud' },
    };
    expect(refusal({ action: 'campus' }, { entry: decided }).message).toBe(
      'directrice has decided it already, at 2026-11-23T07:10:00Z: cloud.',
    );
    const byItself: Partial<ConflictEntry> = {
      ...parkedEntry,
      status: 'settled',
      decision: { action: 'retry' },
    };
    expect(refusal({ action: 'retry' }, { entry: byItself }).code).toBe('WENT_THROUGH');
  });

  test('is an action of another kind of conflict', () => {
    expect(refusal({ action: 'drop' }).params.allowed).toBe('campus, cloud, values');
    expect(refusal({ action: 'cloud' }, { entry: parkedEntry }).params.allowed).toBe('retry, edit, drop');
  });

  test('is a table that is not synced any more, and an entry about a decision', () => {
    expect(refusal({ action: 'campus' }, { table: undefined }).code).toBe('TABLE_UNKNOWN');
    const twin = { table: 'sync.conflict', key: { id: 'abc' } };
    expect(refusal({ action: 'campus' }, { entry: twin }).params.id).toBe('abc');
  });
});

describe('a decision about a parked transaction', () => {
  const edit = (index: number, values: Record<string, string>): NewDecision => ({
    action: 'edit',
    changes: [{ index, values }],
  });

  test('writes no row', () => {
    for (const decision of [{ action: 'retry' }, { action: 'drop' }, edit(0, { name: 'x' })] as NewDecision[])
      expect(plan(decision, { entry: parkedEntry })).toEqual({ write: null, changedSince: false });
  });

  test('edits only columns that there are, of changes that write a row', () => {
    const code = (decision: NewDecision, more: Partial<ConflictEntry> = {}) =>
      refusal(decision, { entry: { ...parkedEntry, ...more } }).code;
    expect(code(edit(0, { nom: 'x' }))).toBe('COLUMN_UNKNOWN');
    expect(code(edit(0, { id: '3' }))).toBe('COLUMN_UNKNOWN');
    expect(code(edit(0, {}))).toBe('VALUES_MISSING');
    expect(code(edit(1, { name: 'x' }))).toBe('CHANGE_UNKNOWN');
    expect(code(edit(7, { name: 'x' }))).toBe('CHANGE_UNKNOWN');
    expect(code(edit(0, { name: 'x' }), { parked: null })).toBe('PARKED_TOO_LARGE');
  });
});
