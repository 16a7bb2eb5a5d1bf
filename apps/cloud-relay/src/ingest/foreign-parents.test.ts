import {
  BrokenReferenceError,
  type Change,
  parseSyncMap,
  type Row,
  RowImages,
  type RowStore,
  type Table,
} from '@skooly-edge/sync-protocol';
import { describe, expect, it } from 'vitest';
import { refuseForeignParents } from './foreign-parents.ts';

const map = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: {
    'public.pupil': { scope: 'campus', policy: 'newest' },
    'public.payment': { scope: 'campus', policy: 'inbox' },
  },
});

function table(name: string, columnNames: string[]): Table {
  const rule = map.tables.get(name) as Table['rule'];
  return {
    name,
    rule,
    columns: new Map(),
    columnNames,
    keyColumns: ['id'],
    through: null,
    references: [],
    referencedBy: [],
  };
}

const pupil = table('public.pupil', ['id', 'campus']);
const payment = table('public.payment', ['id', 'campus', 'pupil_id']);
payment.references.push({
  name: 'payment_pupil',
  child: payment.name,
  childColumns: ['pupil_id'],
  parent: pupil.name,
  parentColumns: ['id'],
});
const tables = new Map([pupil, payment].map((each) => [each.name, each]));

const paid: Change = {
  table: payment.name,
  key: { id: 'p1' },
  op: 'insert',
  before: null,
  after: { id: 'p1', campus: 'mvan', pupil_id: '7' },
};

/** A cloud with these pupils. @returns how the parents were locked. */
async function write(pupils: Row[], change = paid): Promise<unknown[]> {
  const locked: unknown[] = [];
  const rows = {
    lock: async (from: Table, keys: readonly Row[], mode?: 'share') => {
      if (from === pupil) locked.push([keys, mode]);
      return from === pupil ? pupils.filter(({ id }) => keys.some((key) => key.id === id)) : [];
    },
    read: async () => [],
  } as unknown as RowStore;
  const images = new RowImages(rows, { syncMap: map, tables });
  await images.load([change]);
  images.set(change.table, change.key, change.after);
  await refuseForeignParents('mvan', rows, images, tables, [change]);
  return locked;
}

describe('what a campus writes', () => {
  it('may refer to a row of its own, which stays its own until the commit', async () => {
    expect(await write([{ id: '7', campus: 'mvan' }])).toEqual([[[{ id: '7' }], 'share']]);
  });

  it('may not refer to a row that has moved to another campus', async () => {
    await expect(write([{ id: '7', campus: 'bonaberi' }])).rejects.toThrow(BrokenReferenceError);
  });

  it('leaves a parent that is not there to the foreign key', async () => {
    await expect(write([])).resolves.toBeDefined();
  });

  it('is not asked about parents that it did not choose', async () => {
    const edit: Change = { ...paid, op: 'update', before: { campus: 'x' }, after: { campus: 'mvan' } };
    expect(await write([], edit)).toEqual([]);
  });
});
