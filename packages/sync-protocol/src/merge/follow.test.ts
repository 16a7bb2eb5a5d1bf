import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, Row } from '../transaction/transaction.ts';
import { followChange, followCorrection, type OwnChanges } from './follow.ts';

const key = { id: '1' };
const table = 'public.pupil';
const update = (after: Row): Change => ({ table, key, op: 'update', before: {}, after });
const insert = (after: Row): Change => ({ table, key, op: 'insert', before: null, after });
const gone: Change = { table, key, op: 'delete', before: { id: '1', a: 'x' }, after: null };
const changed = (...columns: string[]): OwnChanges => ({ columns: new Set(columns), deleted: false });
const everything: OwnChanges = { columns: 'all', deleted: false };
const deletedHere: OwnChanges = { columns: 'all', deleted: true };

describe('a change of the cloud', () => {
  const current = { id: '1', a: 'old', b: 'old' };

  it('is taken where this campus changed nothing since the stamp', () => {
    expect(followChange(update({ a: 'new' }), current, null)).toEqual({
      kind: 'row',
      row: { id: '1', a: 'new', b: 'old' },
    });
  });

  it('leaves the columns that this campus changed since the stamp', () => {
    const result = followChange(update({ a: 'new', b: 'new' }), current, changed('a'));
    expect(result).toEqual({ kind: 'row', row: { id: '1', a: 'old', b: 'new' } });
  });

  it('leaves a row that this campus inserted since the stamp', () => {
    expect(followChange(insert({ id: '1', a: 'new' }), current, everything)).toEqual({
      kind: 'row',
      row: current,
    });
  });

  it('does not bring back a row that this campus deleted since the stamp', () => {
    expect(followChange(update({ a: 'new' }), null, deletedHere)).toEqual({ kind: 'row', row: null });
    expect(followChange(insert({ id: '1', a: 'new' }), null, deletedHere)).toEqual({
      kind: 'row',
      row: null,
    });
  });

  it('of a row that this campus does not have shows that the sites have drifted apart', () => {
    expect(followChange(update({ a: 'new' }), null, null)).toEqual({ kind: 'drifted' });
  });

  it('leaves a row that this campus inserted after it was looked for', () => {
    expect(followChange(update({ a: 'new' }), null, everything)).toEqual({ kind: 'row', row: null });
  });

  it('inserts a row that this campus does not have', () => {
    expect(followChange(insert({ id: '1', a: 'new' }), null, null)).toEqual({
      kind: 'row',
      row: { id: '1', a: 'new' },
    });
  });

  it('deletes the row, unless this campus changed it since the stamp', () => {
    expect(followChange(gone, current, null)).toEqual({ kind: 'row', row: null });
    expect(followChange(gone, current, changed('a'))).toEqual({ kind: 'row', row: current });
    expect(followChange(gone, null, null)).toEqual({ kind: 'row', row: null });
  });
});

describe('a correction', () => {
  const current = { id: '1', a: 'old', b: 'old' };
  const row = { id: '1', a: 'cloud', b: 'cloud' };

  it('puts the whole row in place', () => {
    expect(followCorrection({ table, key, row }, current, null)).toEqual({ kind: 'row', row });
    expect(followCorrection({ table, key, row }, null, null)).toEqual({ kind: 'row', row });
    expect(followCorrection({ table, key, row: null }, current, null)).toEqual({ kind: 'row', row: null });
  });

  it('leaves what this campus changed since the stamp', () => {
    expect(followCorrection({ table, key, row }, current, changed('b'))).toEqual({
      kind: 'row',
      row: { id: '1', a: 'cloud', b: 'old' },
    });
    expect(followCorrection({ table, key, row: null }, current, changed('b'))).toEqual({
      kind: 'row',
      row: current,
    });
    expect(followCorrection({ table, key, row }, null, deletedHere)).toEqual({ kind: 'row', row: null });
  });
});

describe('whatever the entry', () => {
  const value = fc.constantFrom(null, '', 'x', 'y');
  const wholeRow = fc.tuple(value, value).map(([a, b]): Row => ({ id: '1', a, b }));
  const own = fc.option(
    fc.oneof(
      fc.subarray(['a', 'b'], { minLength: 1 }).map((columns) => changed(...columns)),
      fc.constant(everything),
      fc.constant(deletedHere),
    ),
  );
  const entry = fc.oneof(wholeRow.map(update), wholeRow.map(insert), fc.constant(gone));

  it('following it twice is the same as once', () => {
    fc.assert(
      fc.property(entry, fc.option(wholeRow), own, (change, current, ownChanges) => {
        const once = followChange(change, current, ownChanges);
        if (once.kind === 'drifted') return;
        if (once.row === null && change.op === 'update') return;
        expect(followChange(change, once.row, ownChanges)).toEqual(once);
      }),
    );
  });

  it('a column that this campus changed keeps its value, every other one is the cloud', () => {
    fc.assert(
      fc.property(wholeRow, wholeRow, own, (cloud, current, ownChanges) => {
        const result = followChange(update(cloud), current, ownChanges);
        const { columns } = ownChanges ?? changed();
        for (const column of ['a', 'b']) {
          const mine = columns === 'all' || columns.has(column);
          expect(result).toHaveProperty(['row', column], mine ? current[column] : cloud[column]);
        }
      }),
    );
  });
});
