import {
  appliedMessage,
  type CapturedTransaction,
  type Catalog,
  parseSyncMap,
  type Table,
} from '@skooly-edge/sync-protocol';
import { describe, expect, it } from 'vitest';
import { learnOwners, type RowReader } from './owners.ts';

const { tables: rules } = parseSyncMap({
  version: 1,
  database: 'd',
  tables: { 'public.mark': { scope: 'campus', policy: 'newest' } },
});
const mark = {
  name: 'public.mark',
  rule: rules.get('public.mark'),
  keyColumns: ['id'],
  through: null,
} as unknown as Table;
const catalog = { tables: new Map([['public.mark', mark]]) } as unknown as Catalog;

function applied(row: object | null): CapturedTransaction {
  const corrections = [{ table: 'public.mark', key: { id: '1' }, row }];
  const content = JSON.stringify({ campus: 'mvan', epoch: 'e', seq: 5, corrections });
  return {
    endLsn: 9,
    committedAt: 1,
    origin: 'edge',
    changes: [],
    messages: [{ prefix: appliedMessage, content }],
  };
}

const reading = (rows: Record<string, string>[]): RowReader => ({
  byKey: async () => rows,
  byColumn: async () => [],
});

describe('a row that a commit did not see', () => {
  const row = { id: '1', campus: 'mvan', value: '12' };

  it('and that is there once the commit is in the order of all commits is told to the campus', async () => {
    const { moves } = await learnOwners(applied(null), catalog, reading([row]));
    expect(moves).toEqual([{ campus: 'mvan', correction: { table: 'public.mark', key: { id: '1' }, row } }]);
  });

  it('is not told when it is another campus’s, is not there, or was seen', async () => {
    const elsewhere = { ...row, campus: 'bonaberi' };
    expect((await learnOwners(applied(null), catalog, reading([elsewhere]))).moves).toEqual([]);
    expect((await learnOwners(applied(null), catalog, reading([]))).moves).toEqual([]);
    expect((await learnOwners(applied(row), catalog, reading([row]))).moves).toEqual([]);
  });
});
