import { type Catalog, type FeedEntry, parseSyncMap, type Table } from '@skooly-edge/sync-protocol';
import { describe, expect, test } from 'vitest';
import { splitUnknown } from './split-unknown.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'school',
  tables: { 'public.pupil': { scope: null, policy: 'newest' } },
});
const columns = new Map(['id', 'name'].map((name) => [name, { name, type: 'text', arrayable: true }]));
const pupil = {
  name: 'public.pupil',
  rule: syncMap.tables.get('public.pupil'),
  columns,
  columnNames: ['id', 'name'],
  keyColumns: ['id'],
  references: [],
  referencedBy: [],
} as unknown as Table;
const catalog: Catalog = { syncMap, tables: new Map([['public.pupil', pupil]]) };

function entry(body: Partial<FeedEntry>): FeedEntry {
  const stamp = { epoch: 'e', seq: 3 };
  return { epoch: 'c', seq: 7, stamp, committedAt: 1, lsn: 9, changes: [], corrections: [], ...body };
}
const of = (table: string, id = '1') => ({ table, key: { id } });

describe('a feed entry of a cloud that is ahead', () => {
  test('is handed on as it is when everything in it has a place', () => {
    const change = {
      ...of('public.pupil'),
      op: 'update' as const,
      before: { name: 'a' },
      after: { name: 'b' },
    };
    const whole = entry({ changes: [change] });
    expect(splitUnknown(catalog, whole)).toEqual({ known: whole, steps: [], parts: [] });
    expect(splitUnknown(catalog, whole).known).toBe(whole);
  });

  test('loses nothing: each column is in one half or the other', () => {
    const after = { id: '1', name: 'Ngo', house: 'red', born: null };
    const insert = { ...of('public.pupil'), op: 'insert' as const, before: null, after };
    const { known, steps } = splitUnknown(catalog, entry({ changes: [insert] }));
    expect(known.changes).toEqual([{ ...insert, after: { id: '1', name: 'Ngo' } }]);
    expect(steps).toEqual([{ kind: 'keep', ...of('public.pupil'), values: { house: 'red', born: null } }]);
  });

  test('says nothing here when it only changes columns that are not here', () => {
    const update = {
      ...of('public.pupil'),
      op: 'update' as const,
      before: { house: 'a' },
      after: { house: 'b' },
    };
    const { known, steps } = splitUnknown(catalog, entry({ changes: [update] }));
    expect(known.changes).toEqual([]);
    expect(steps).toEqual([{ kind: 'keep', ...of('public.pupil'), values: { house: 'b' } }]);
  });

  test('brings corrections with the columns that are here', () => {
    const correction = { ...of('public.pupil'), row: { id: '1', name: 'Ngo', house: 'red' } };
    const { known, steps } = splitUnknown(catalog, entry({ corrections: [correction] }));
    expect(known.corrections).toEqual([{ ...correction, row: { id: '1', name: 'Ngo' } }]);
    expect(steps).toEqual([{ kind: 'keep', ...of('public.pupil'), values: { house: 'red' } }]);
  });

  test('forgets what was kept for a row that is gone, in the order of the entry', () => {
    const row = { id: '1', name: 'Ngo', house: 'red' };
    const gone = { ...of('public.pupil'), op: 'delete' as const, before: row, after: null };
    const again = { ...of('public.pupil'), op: 'insert' as const, before: null, after: row };
    const none = { ...of('public.pupil', '2'), row: null };
    const { steps } = splitUnknown(catalog, entry({ changes: [gone, again], corrections: [none] }));
    expect(steps).toEqual([
      { kind: 'forget', ...of('public.pupil') },
      { kind: 'keep', ...of('public.pupil'), values: { house: 'red' } },
      { kind: 'forget', ...of('public.pupil', '2') },
    ]);
  });

  test('is kept whole as far as it speaks of a table that is not here, or has another key here', () => {
    const club = { ...of('public.club'), op: 'insert' as const, before: null, after: { id: '1' } };
    const rekeyed = { table: 'public.pupil', key: { id: '1', year: '2026' }, row: { id: '1', year: '2026' } };
    const split = splitUnknown(catalog, entry({ changes: [club], corrections: [rekeyed] }));
    expect(split.known).toMatchObject({ changes: [], corrections: [], stamp: { epoch: 'e', seq: 3 } });
    expect(split.parts).toEqual([
      { table: 'public.club', changes: [club], corrections: [] },
      { table: 'public.pupil', changes: [], corrections: [rekeyed] },
    ]);
  });
});
