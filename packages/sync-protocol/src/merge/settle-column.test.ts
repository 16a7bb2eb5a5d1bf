import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Policy, parseSyncMap, type TableRule } from '../sync-map/sync-map.ts';
import type { Change, Row } from '../transaction/transaction.ts';
import { addDifference, compareDecimals } from './decimal.ts';
import { merge } from './merge.ts';
import { unite } from './sets.ts';
import { type ContestedColumn, settleColumn } from './settle-column.ts';

const column = (more: Partial<ContestedColumn>): ContestedColumn => ({
  before: '0',
  campus: '0',
  cloud: '0',
  type: 'numeric',
  campusIsNewer: () => null,
  ...more,
});

describe('sum', () => {
  it('applies the campus’s difference to what the cloud has, digit by digit', () => {
    const settle = (before: string, campus: string, cloud: string) =>
      settleColumn('sum', column({ before, campus, cloud })).value;
    expect(settle('10', '7', '20')).toBe('17');
    expect(settle('0.10', '0.3', '12345678901234567890.05')).toBe('12345678901234567890.25');
    expect(settle('5', '5', '-3')).toBe('-3');
    expect(settle('1e3', '1.5e3', '-0.5')).toBe('499.5');
  });

  it('leaves to a person what has no difference: a row that both inserted, NULL, NaN', () => {
    for (const odd of [{ before: undefined }, { before: null }, { campus: 'NaN' }, { cloud: 'Infinity' }])
      expect(settleColumn('sum', column({ cloud: '4', ...odd })).winner).toBe('open');
  });
});

describe('min and max', () => {
  const both = (type: string, campus: string | null, cloud: string | null) =>
    (['min', 'max'] as const).map((policy) => settleColumn(policy, column({ type, campus, cloud })).value);

  it('compare numbers by value, times by time and the rest by bytes', () => {
    expect(both('integer', '9', '10')).toEqual(['9', '10']);
    expect(both('numeric', '-1.5', '-1.25')).toEqual(['-1.5', '-1.25']);
    expect(both('text', '9', '10')).toEqual(['10', '9']);
    expect(both('timestamp with time zone', '2026-01-01 00:00:00+00', '2026-01-01 00:00:00.5+00')).toEqual([
      '2026-01-01 00:00:00+00',
      '2026-01-01 00:00:00.5+00',
    ]);
    expect(both('date', 'infinity', '2026-01-01')).toEqual(['2026-01-01', 'infinity']);
  });

  it('pass over NULL, and leave to a person what has no order', () => {
    expect(both('integer', null, '1')).toEqual(['1', '1']);
    expect(settleColumn('max', column({ campus: 'NaN', cloud: '1' })).winner).toBe('open');
    const old = column({ type: 'date', campus: '0044-03-15 BC', cloud: '2026-01-01' });
    expect(settleColumn('min', old).winner).toBe('open');
  });
});

describe('union', () => {
  it('has what either side added and not what either side removed', () => {
    expect(unite('{a,b,c}', '{a,c,d}', '{b,c,e}')).toBe('{c,e,d}');
    expect(unite('["a", 1]', '["a", 1, {"x": 2}]', '[1]')).toBe('[1, {"x":2}]');
    expect(unite(null, '{a}', '{b}')).toBe('{b,a}');
    expect(unite('{}', '{"a b","c\\"d"}', '{}')).toBe('{"a b","c\\"d"}');
  });

  it('leaves to a person what is no one-dimensional array', () => {
    for (const odd of ['{{a},{b}}', '{a,', 'a', '{"a": 1}'])
      expect(
        settleColumn('union', column({ before: '{}', campus: odd, cloud: '{}', type: 'text[]' })).winner,
      ).toBe('open');
  });
});

/** Two campuses' changes of one row, judged in either order. */
function judge(policy: Policy, type: string, base: string, values: string[]): string | null {
  const rule = parseSyncMap({
    version: 1,
    database: 'd',
    tables: { 'public.t': { scope: null, policy: 'newest', columns: { v: policy } } },
  }).tables.get('public.t') as TableRule;
  let current: Row | null = { id: '1', v: base };
  for (const value of values) {
    const change: Change = {
      table: 'public.t',
      key: { id: '1' },
      op: 'update',
      before: { v: base },
      after: { v: value },
    };
    current = merge({ change, current, rule, typeOf: () => type, campusIsNewer: () => null }).row;
  }
  return current?.v ?? null;
}

const money = fc
  .bigInt({ min: -(10n ** 20n), max: 10n ** 20n })
  .map((n) => `${n / 100n}.${String(n < 0n ? -n % 100n : n % 100n).padStart(2, '0')}`);
const set = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 5 })
  .map((all) => `{${all.join(',')}}`);
const elements = (text: string | null) => (text ?? '{}').slice(1, -1).split(',').sort();

describe('the order in which changes arrive', () => {
  it('does not matter for sum, min and max', () => {
    fc.assert(
      fc.property(fc.constantFrom('sum', 'min', 'max'), money, money, money, (policy, base, a, b) => {
        fc.pre(base !== a && base !== b);
        const [one, other] = [judge(policy, 'numeric', base, [a, b]), judge(policy, 'numeric', base, [b, a])];
        expect(compareDecimals(one ?? '', other ?? '')).toBe(0);
      }),
    );
  });

  it('does not matter for the elements of a union', () => {
    fc.assert(
      fc.property(set, set, set, (base, a, b) => {
        fc.pre(base !== a && base !== b);
        expect(elements(judge('union', 'text[]', base, [a, b]))).toEqual(
          elements(judge('union', 'text[]', base, [b, a])),
        );
      }),
    );
  });

  it('two equal differences of a sum are two', () => {
    expect(judge('sum', 'numeric', '5', ['7', '7'])).toBe('9');
  });
});

describe('decimals', () => {
  it('are added as whole numbers are', () => {
    const whole = fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n });
    fc.assert(
      fc.property(whole, whole, whole, (a, b, c) => {
        expect(addDifference(String(a), String(b), String(c))).toBe(String(a + c - b));
      }),
    );
  });
});
