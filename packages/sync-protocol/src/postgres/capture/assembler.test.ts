import { describe, expect, it } from 'vitest';
import type { Row } from '../../transaction/transaction.ts';
import { Assembler, type CapturedTransaction } from './assembler.ts';
import type { Message } from './pgoutput.ts';

const relation = { id: 7, table: 'public.mark', columns: ['pupil', 'exam', 'mark', 'by'] };
const row = (mark: string | null, more: Row = {}): Row => ({ pupil: '1', exam: '9', mark, by: 'a', ...more });
const begin: Message = { tag: 'begin', finalLsn: 100, committedAt: 5, xid: 1 };
const commit: Message = { tag: 'commit', endLsn: 120, committedAt: 5 };

function assemble(...messages: Message[]): CapturedTransaction | null {
  const assembler = new Assembler({
    table: () => ({ keyColumns: ['exam', 'pupil'], by: 'by' }),
    skipOrigin: (name) => name === 'skipped',
  });
  const results = [begin, ...messages, commit].map((message) => assembler.add(message));
  expect(results.slice(0, -1).every((result) => result === null)).toBe(true);
  return results.at(-1) ?? null;
}

describe('a transaction', () => {
  it('is complete at its commit, with the position where the commit ends', () => {
    expect(assemble()).toEqual({
      endLsn: 120,
      xid: 1,
      committedAt: 5,
      origin: null,
      changes: [],
      messages: [],
    });
  });

  it('keeps its changes in the order in which they were made', () => {
    const changes = assemble(
      { tag: 'insert', relation, after: row('1') },
      { tag: 'update', relation, before: row('1'), after: row('2') },
      { tag: 'delete', relation, before: row('2') },
    )?.changes;
    expect(changes?.map((change) => change.op)).toEqual(['insert', 'update', 'delete']);
    expect(changes?.[0]).toMatchObject({ before: null, after: row('1'), by: 'a', wholeBefore: null });
    expect(changes?.[2]).toMatchObject({ before: row('2'), after: null, whole: row('2') });
  });

  it('names the key with its columns in alphabetical order', () => {
    const change = assemble({ tag: 'insert', relation, after: row('1') })?.changes[0];
    expect(JSON.stringify(change?.key)).toBe('{"exam":"9","pupil":"1"}');
  });

  it('keeps its origin and the messages inside it, not those outside of transactions', () => {
    const transaction = assemble(
      { tag: 'origin', name: 'elsewhere' },
      { tag: 'message', transactional: true, prefix: 'in', content: '{}' },
      { tag: 'message', transactional: false, prefix: 'out', content: '{}' },
      { tag: 'insert', relation, after: row('1') },
    );
    expect(transaction?.origin).toBe('elsewhere');
    expect(transaction?.messages).toEqual([{ prefix: 'in', content: '{}' }]);
    expect(transaction?.changes).toHaveLength(1);
  });

  it('of a skipped origin has no changes, and the next transaction has its own', () => {
    const assembler = new Assembler({
      table: () => ({ keyColumns: ['pupil'], by: null }),
      skipOrigin: () => true,
    });
    const insert: Message = { tag: 'insert', relation, after: row('1') };
    for (const message of [begin, { tag: 'origin', name: 'x' } as const, insert]) assembler.add(message);
    expect(assembler.add(commit)?.changes).toEqual([]);
    for (const message of [begin, insert]) assembler.add(message);
    expect(assembler.add(commit)).toMatchObject({ origin: null, changes: [{ op: 'insert' }] });
  });

  it('cannot begin with a change', () => {
    const assembler = new Assembler({
      table: () => ({ keyColumns: ['pupil'], by: null }),
      skipOrigin: () => false,
    });
    expect(() => assembler.add({ tag: 'insert', relation, after: row('1') })).toThrow(
      'outside a transaction',
    );
  });
});

describe('an update', () => {
  it('names only the columns that changed', () => {
    const changes = assemble({ tag: 'update', relation, before: row('1'), after: row(null) })?.changes;
    expect(changes).toEqual([
      {
        table: 'public.mark',
        key: { exam: '9', pupil: '1' },
        op: 'update',
        before: { mark: '1' },
        after: { mark: null },
        by: 'a',
        whole: row(null),
        wholeBefore: row('1'),
      },
    ]);
  });

  it('that changes nothing is left out', () => {
    expect(assemble({ tag: 'update', relation, before: row('1'), after: row('1') })?.changes).toEqual([]);
  });

  it('of the primary key becomes a delete and an insert', () => {
    const moved = row('1', { pupil: '2' });
    const changes = assemble({ tag: 'update', relation, before: row('1'), after: moved })?.changes;
    expect(changes).toMatchObject([
      { op: 'delete', key: { exam: '9', pupil: '1' }, before: row('1'), after: null },
      { op: 'insert', key: { exam: '9', pupil: '2' }, before: null, after: moved },
    ]);
  });
});
