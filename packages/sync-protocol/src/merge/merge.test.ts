import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RowPolicy, TableRule } from '../sync-map/sync-map.ts';
import type { Change, Row } from '../transaction/transaction.ts';
import { type MergeInput, merge, questionsOfTime } from './merge.ts';

const policies = ['newest', 'cloud', 'campus', 'inbox'] as const;

function rule(policy: RowPolicy, more: Partial<TableRule> = {}): TableRule {
  return {
    table: 'public.pupil',
    scope: null,
    through: null,
    direction: 'both',
    policy,
    columns: {},
    appendOnly: false,
    readOnlyColumns: [],
    unique: {},
    by: null,
    ...more,
  };
}

const change = (op: Change['op'], before: Row | null, after: Row | null): Change => ({
  table: 'public.pupil',
  key: { id: '1' },
  op,
  before,
  after,
});

function mergeWith(input: Partial<MergeInput> & Pick<MergeInput, 'change' | 'current' | 'rule'>) {
  return merge({ campusIsNewer: () => false, ...input });
}

describe('a column that nobody else touched', () => {
  it('takes the campus value and leaves the other columns as the cloud has them', () => {
    const { row, conflict } = mergeWith({
      change: change('update', { class: '3A' }, { class: '3B' }),
      current: { id: '1', class: '3A', phone: '699' },
      rule: rule('inbox'),
    });
    expect(row).toEqual({ id: '1', class: '3B', phone: '699' });
    expect(conflict).toBeNull();
  });

  it('is no conflict when both sides wrote the same value', () => {
    const { row, conflict } = mergeWith({
      change: change('update', { class: '3A' }, { class: '3B' }),
      current: { id: '1', class: '3B' },
      rule: rule('inbox'),
    });
    expect(row).toEqual({ id: '1', class: '3B' });
    expect(conflict).toBeNull();
  });

  it('is the cloud’s in a row that both inserted, if the campus may not write it', () => {
    const { row, conflict } = mergeWith({
      change: change('insert', null, { id: '1', name: 'campus', grant: '9' }),
      current: { id: '1', name: 'cloud', grant: '1' },
      rule: rule('campus', { readOnlyColumns: ['grant'] }),
    });
    expect(row).toEqual({ id: '1', name: 'campus', grant: '1' });
    expect(conflict).toMatchObject({ kind: 'insert_exists', rule: { name: 'campus', grant: 'cloud' } });
  });

  it('tells NULL from the empty text', () => {
    const { conflict } = mergeWith({
      change: change('update', { note: null }, { note: 'x' }),
      current: { id: '1', note: '' },
      rule: rule('cloud'),
    });
    expect(conflict?.kind).toBe('update_differs');
  });
});

describe('a column that both sides changed', () => {
  const clash = change('update', { class: '3A' }, { class: '3B' });
  const current = { id: '1', class: '3C' };

  it.each([
    ['campus', false, '3B', false],
    ['cloud', true, '3C', false],
    ['newest', true, '3B', false],
    ['newest', false, '3C', false],
    ['newest', null, '3C', true],
    ['inbox', true, '3C', true],
  ] as const)('is settled by policy %s (campus newer: %s) with %s', (policy, newer, value, open) => {
    const { row, conflict } = mergeWith({
      change: clash,
      current,
      rule: rule(policy),
      campusIsNewer: () => newer,
    });
    expect(row).toEqual({ id: '1', class: value });
    expect(conflict).toEqual({
      kind: 'update_differs',
      before: { class: '3A' },
      campus: { class: '3B' },
      cloud: { class: '3C' },
      result: { class: value },
      rule: { class: policy },
      open,
    });
  });

  it('follows the policy of the column before that of the table', () => {
    const { row, conflict } = mergeWith({
      change: clash,
      current,
      rule: rule('campus', { columns: { class: 'inbox' } }),
    });
    expect(row?.class).toBe('3C');
    expect(conflict?.rule).toEqual({ class: 'inbox' });
  });

  it('does not keep the other columns of the change from being taken', () => {
    const { row, conflict } = mergeWith({
      change: change('update', { class: '3A', phone: '1' }, { class: '3B', phone: '2' }),
      current: { id: '1', class: '3C', phone: '1' },
      rule: rule('cloud'),
    });
    expect(row).toEqual({ id: '1', class: '3C', phone: '2' });
    expect(Object.keys(conflict?.rule ?? {})).toEqual(['class']);
  });
});

describe('who wrote the row', () => {
  const both = change('update', { mark: '10', by: 'a' }, { mark: '11', by: 'campus' });
  const current = { id: '1', mark: '12', by: 'cloud' };

  it('is no conflict of its own', () => {
    const { row, conflict } = mergeWith({
      change: change('update', { mark: '10', by: 'a' }, { mark: '11', by: 'campus' }),
      current: { id: '1', mark: '10', by: 'cloud' },
      rule: rule('cloud', { by: 'by' }),
    });
    expect(conflict).toBeNull();
    expect(row).toEqual({ id: '1', mark: '11', by: 'campus' });
  });

  it('stays the cloud when nothing of what the campus wrote stood', () => {
    expect(mergeWith({ change: both, current, rule: rule('cloud', { by: 'by' }) }).row?.by).toBe('cloud');
  });

  it('is the campus when what it wrote stood', () => {
    expect(mergeWith({ change: both, current, rule: rule('campus', { by: 'by' }) }).row?.by).toBe('campus');
  });
});

describe('an insert', () => {
  it('of a row that nobody has is taken whole', () => {
    const result = mergeWith({
      change: change('insert', null, { id: '1', class: '3A' }),
      current: null,
      rule: rule('cloud'),
    });
    expect(result).toEqual({ row: { id: '1', class: '3A' }, conflict: null });
  });

  it('of a row that exists is a conflict only in the columns that differ', () => {
    const { row, conflict } = mergeWith({
      change: change('insert', null, { id: '1', class: '3A', phone: '1' }),
      current: { id: '1', class: '3B', phone: '1' },
      rule: rule('cloud'),
    });
    expect(row?.class).toBe('3B');
    expect(conflict).toMatchObject({ kind: 'insert_exists', before: null, rule: { class: 'cloud' } });
  });
});

describe('a delete', () => {
  const gone = change('delete', { id: '1', class: '3A' }, null);

  it('of a row that is as the campus saw it deletes it', () => {
    const result = mergeWith({ change: gone, current: { id: '1', class: '3A' }, rule: rule('inbox') });
    expect(result).toEqual({ row: null, conflict: null });
  });

  it.each([
    ['campus', false, true, false],
    ['cloud', true, false, false],
    ['newest', true, true, false],
    ['newest', false, false, false],
    ['inbox', true, false, true],
  ] as const)(
    'of a row that the cloud changed is settled by %s (campus newer: %s)',
    (policy, newer, deleted, open) => {
      const current = { id: '1', class: '3B' };
      const { row, conflict } = mergeWith({
        change: gone,
        current,
        rule: rule(policy),
        campusIsNewer: () => newer,
      });
      expect(row).toEqual(deleted ? null : current);
      expect(conflict).toMatchObject({ kind: 'delete_differs', rule: { '*': policy }, open });
    },
  );

  it('of a row that is gone already leaves it gone and is recorded', () => {
    const { row, conflict } = mergeWith({ change: gone, current: null, rule: rule('newest') });
    expect(row).toBeNull();
    expect(conflict).toMatchObject({ kind: 'delete_missing', open: false });
  });
});

describe('an update of a row that the cloud deleted', () => {
  const update = change('update', { class: '3A' }, { class: '3B' });
  const lastKnown = { id: '1', class: '3A', phone: '699' };

  it('brings the whole row back when the campus wins', () => {
    const { row, conflict } = mergeWith({ change: update, current: null, rule: rule('campus'), lastKnown });
    expect(row).toEqual({ id: '1', class: '3B', phone: '699' });
    expect(conflict).toMatchObject({ kind: 'update_missing', open: false });
  });

  it('stays open when the campus wins but nobody knows the rest of the row', () => {
    const { row, conflict } = mergeWith({
      change: update,
      current: null,
      rule: rule('campus'),
      lastKnown: null,
    });
    expect(row).toBeNull();
    expect(conflict?.open).toBe(true);
  });

  it.each(['cloud', 'newest', 'inbox'] as const)('leaves it deleted by policy %s', (policy) => {
    const { row, conflict } = mergeWith({ change: update, current: null, rule: rule(policy), lastKnown });
    expect(row).toBeNull();
    expect(conflict?.open).toBe(policy === 'inbox');
  });
});

const columns = ['a', 'b', 'by'] as const;
const value = fc.constantFrom(null, '', 'x', 'y', 'z');
const wholeRow = fc.tuple(value, value, value).map(([a, b, by]): Row => ({ id: '1', a, b, by }));
const anyRule = fc
  .record({
    policy: fc.constantFrom(...policies),
    a: fc.option(fc.constantFrom(...policies), { nil: undefined }),
    by: fc.constantFrom(null, 'by'),
  })
  .map(({ policy, a, by }) => rule(policy, { columns: a ? { a } : {}, by }));

/** What capture could have made: an update names only columns that changed. */
const anyChange = fc.oneof(
  wholeRow.map((after) => change('insert', null, after)),
  wholeRow.map((before) => change('delete', before, null)),
  fc.tuple(wholeRow, wholeRow).map(([old, now]) => {
    const changed = columns.filter((column) => old[column] !== now[column]);
    const only = (row: Row) => Object.fromEntries(changed.map((column) => [column, row[column] ?? null]));
    return change('update', only(old), only(now));
  }),
);
const anyInput = fc
  .record({
    change: anyChange,
    current: fc.option(wholeRow),
    rule: anyRule,
    lastKnown: fc.option(wholeRow),
    newer: fc.boolean(),
  })
  .map(({ newer, ...input }): MergeInput => ({ ...input, campusIsNewer: () => newer }));

describe('whatever the inputs', () => {
  it('merging the same change into the result changes nothing', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { row } = merge(input);
        // A row that stays deleted is the case that came in.
        if (row === null && input.change.op !== 'delete') return;
        expect(merge({ ...input, current: row }).row).toEqual(row);
      }),
    );
  });

  it('no value is in the result that neither side wrote', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const { row } = merge(input);
        const sources = [input.current, input.change.after, input.change.key, input.lastKnown];
        for (const [column, found] of Object.entries(row ?? {}))
          expect(sources.some((source) => source && column in source && source[column] === found)).toBe(true);
      }),
    );
  });

  it('a row that already is as the campus wrote it is no conflict', () => {
    fc.assert(
      fc.property(wholeRow, wholeRow, anyRule, (before, row, anyRule) => {
        for (const same of [change('insert', null, row), change('update', before, row)])
          expect(mergeWith({ change: same, current: row, rule: anyRule })).toEqual({ row, conflict: null });
      }),
    );
  });

  it('a cloud that has not moved is no conflict', () => {
    fc.assert(
      fc.property(wholeRow, wholeRow, anyRule, (before, after, anyRule) => {
        const update = mergeWith({ change: change('update', before, after), current: before, rule: anyRule });
        expect(update).toEqual({ row: after, conflict: null });
        const gone = mergeWith({ change: change('delete', before, null), current: before, rule: anyRule });
        expect(gone).toEqual({ row: null, conflict: null });
      }),
    );
  });

  it('the clock is asked only about what was announced', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const announced = questionsOfTime(input.change, input.current, input.rule);
        const asked: (string | null)[] = [];
        merge({ ...input, campusIsNewer: (column) => asked.push(column) > 0 });
        expect(asked).toEqual(announced);
      }),
    );
  });

  it('an open conflict leaves the value of the cloud in place', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const inbox = { ...input, rule: rule('inbox') };
        const { row, conflict } = merge(inbox);
        if (!conflict?.open || !input.current) return;
        for (const column of Object.keys(conflict.rule)) {
          if (column === '*') expect(row).toEqual(input.current);
          else expect(row?.[column]).toBe(input.current[column]);
        }
      }),
    );
  });
});
