import { type Catalog, parseSyncMap, type TableRule } from '@skooly-edge/sync-protocol';
import { describe, expect, test } from 'vitest';
import { type Facts, parentsFirst, repairFor, takesAway } from './difference.ts';

const { tables } = parseSyncMap({
  version: 1,
  database: 'x',
  tables: {
    'public.plain': { scope: 'campus', policy: 'newest' },
    'public.judged': { scope: 'campus', policy: 'newest', columns: { value: 'inbox' } },
    'public.down': { scope: null, direction: 'down', policy: 'cloud' },
    'public.money': { scope: 'campus', policy: 'inbox', appendOnly: true },
  },
});
const rule = (name: string) => tables.get(`public.${name}`) as TableRule;
const facts = (given: Partial<Facts> = {}): Facts => ({
  deletedInCloud: false,
  deletedHere: false,
  cloudIsLater: false,
  ...given,
});

describe('by the policies', () => {
  test('a row that differs is offered to the merge', () => {
    expect(repairFor('policy', rule('plain'), 'differs', facts())).toBe('offer');
  });

  test('a row that the cloud wrote later is the cloud’s, unless a person has to judge one of its columns', () => {
    expect(repairFor('policy', rule('plain'), 'differs', facts({ cloudIsLater: true }))).toBe('correct');
    expect(repairFor('policy', rule('judged'), 'differs', facts({ cloudIsLater: true }))).toBe('offer');
  });

  test('a row of the cloud is told to the campus, unless it is the campus that deleted it', () => {
    expect(repairFor('policy', rule('plain'), 'cloud_only', facts())).toBe('correct');
    expect(repairFor('policy', rule('plain'), 'cloud_only', facts({ deletedHere: true }))).toBe(
      'repeat_delete',
    );
  });

  test('a row of the campus is offered, unless it is the cloud that deleted it', () => {
    expect(repairFor('policy', rule('plain'), 'campus_only', facts())).toBe('offer');
    expect(repairFor('policy', rule('plain'), 'campus_only', facts({ deletedInCloud: true }))).toBe(
      'correct',
    );
  });
});

test('the side that wins has its rows everywhere, absent ones too', () => {
  const kinds = ['differs', 'cloud_only', 'campus_only'] as const;
  const all = facts({ deletedHere: true, deletedInCloud: true, cloudIsLater: true });
  expect(kinds.map((kind) => repairFor('cloud-wins', rule('plain'), kind, all))).toEqual([
    'correct',
    'correct',
    'correct',
  ]);
  expect(kinds.map((kind) => repairFor('campus-wins', rule('plain'), kind, all))).toEqual([
    'overwrite',
    'remove',
    'offer',
  ]);
});

test('a campus never logs what it may not write', () => {
  for (const mode of ['policy', 'campus-wins'] as const) {
    for (const kind of ['differs', 'cloud_only', 'campus_only'] as const)
      expect(repairFor(mode, rule('down'), kind, facts({ deletedHere: true }))).toBe('correct');
    expect(repairFor(mode, rule('money'), 'differs', facts())).toBe('offer');
    expect(repairFor(mode, rule('money'), 'cloud_only', facts({ deletedHere: true }))).toBe('correct');
  }
});

test('what takes a row away from one site is done after what puts rows in place', () => {
  expect(takesAway('correct', 'campus_only')).toBe(true);
  expect(takesAway('remove', 'cloud_only')).toBe(true);
  expect(takesAway('correct', 'cloud_only')).toBe(false);
  expect(takesAway('offer', 'campus_only')).toBe(false);
});

test('parents come before their children, and a circle or a table of another database holds up nothing', () => {
  const table = (name: string, ...parents: string[]) =>
    [name, { references: parents.map((parent) => ({ parent })) }] as const;
  const catalog = {
    tables: new Map([
      table('receipt', 'payment'),
      table('payment', 'pupil', 'elsewhere'),
      table('pupil', 'guardian'),
      table('guardian', 'pupil'),
    ]),
  } as unknown as Catalog;
  const order = parentsFirst(catalog);
  expect(order).toHaveLength(4);
  expect(order.indexOf('pupil')).toBeLessThan(order.indexOf('payment'));
  expect(order.indexOf('payment')).toBeLessThan(order.indexOf('receipt'));
});
