import { type CapturedChange, parseSyncMap, type Row, type Table } from '@skooly-edge/sync-protocol';
import { describe, expect, it } from 'vitest';
import { changesByCampus } from './scope.ts';

const everyone = ['mvan', 'bonaberi'];

function rule(scope: string | null): Table {
  const entry = { scope, policy: 'newest' };
  const map = parseSyncMap({ version: 1, database: 'skooly', tables: { 'public.pupil': entry } });
  return { name: 'public.pupil', rule: map.tables.get('public.pupil'), through: null } as Table;
}

function update(wholeBefore: Row, whole: Row): CapturedChange {
  const columns = Object.keys(whole).filter((column) => wholeBefore[column] !== whole[column]);
  const only = (row: Row) => Object.fromEntries(columns.map((column) => [column, row[column] ?? null]));
  return {
    table: 'public.pupil',
    key: { id: '1' },
    op: 'update',
    before: only(wholeBefore),
    after: only(whole),
    by: 'secretary',
    whole,
    wholeBefore,
  };
}

const row = (campus: string | null, name = 'a'): Row => ({ id: '1', campus_id: campus, name });
const inserted = (whole: Row): CapturedChange => ({
  ...update({}, whole),
  op: 'insert',
  before: null,
  after: whole,
  wholeBefore: null,
});
const deleted = (whole: Row): CapturedChange => ({
  table: 'public.pupil',
  key: { id: '1' },
  op: 'delete',
  before: whole,
  after: null,
  whole,
  wholeBefore: whole,
});
const campuses = (change: CapturedChange, scope: string | null = 'campus_id') =>
  changesByCampus(change, rule(scope), everyone).map(({ campus, change }) => [campus, change.op]);

describe('a change of a row', () => {
  it('of one campus concerns that campus alone', () => {
    expect(campuses(inserted(row('mvan')))).toEqual([['mvan', 'insert']]);
    expect(campuses(update(row('mvan'), row('mvan', 'b')))).toEqual([['mvan', 'update']]);
    expect(campuses(deleted(row('bonaberi')))).toEqual([['bonaberi', 'delete']]);
  });

  it('of a table without scope concerns every campus', () => {
    expect(campuses(update(row('mvan'), row('mvan', 'b')), null)).toEqual([
      ['mvan', 'update'],
      ['bonaberi', 'update'],
    ]);
  });

  it('that names no campus concerns none', () => {
    expect(campuses(inserted(row(null)))).toEqual([]);
    expect(campuses(update(row(null), row(null, 'b')))).toEqual([]);
    expect(campuses(deleted(row(null)))).toEqual([]);
  });

  it('does not carry the whole rows that only capture needs', () => {
    const [first] = changesByCampus(update(row('mvan'), row('mvan', 'b')), rule('campus_id'), everyone);
    expect(first?.change).toEqual({
      table: 'public.pupil',
      key: { id: '1' },
      op: 'update',
      before: { name: 'a' },
      after: { name: 'b' },
      by: 'secretary',
    });
  });
});

describe('a row that moves', () => {
  it('from one campus to another is deleted whole at the one and inserted whole at the other', () => {
    const before = row('mvan');
    const after = row('bonaberi', 'b');
    expect(changesByCampus(update(before, after), rule('campus_id'), everyone)).toMatchObject([
      { campus: 'mvan', change: { op: 'delete', before, after: null } },
      { campus: 'bonaberi', change: { op: 'insert', before: null, after } },
    ]);
  });

  it('out of every campus is deleted, into one is inserted', () => {
    expect(campuses(update(row('mvan'), row(null)))).toEqual([['mvan', 'delete']]);
    expect(campuses(update(row(null), row('mvan')))).toEqual([['mvan', 'insert']]);
  });

  it('deletes a row that belongs to a campus through another everywhere, and tells only its owner more than its key', () => {
    const through = { column: 'pupil_id', parent: rule('campus_id'), parentColumn: 'id' };
    const mark = { ...rule(null), through } as Table;
    const before = { id: '1', pupil_id: '7' };
    expect(changesByCampus(deleted(before), mark, everyone, () => 'mvan')).toEqual([
      { campus: 'mvan', change: expect.objectContaining({ op: 'delete', before }) },
      { campus: 'bonaberi', change: expect.objectContaining({ op: 'delete', before: {} }) },
    ]);
  });
});
