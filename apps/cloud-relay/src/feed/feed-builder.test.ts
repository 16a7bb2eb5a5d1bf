import {
  type CapturedTransaction,
  enrolledMessage,
  parseSyncMap,
  type Table,
} from '@skooly-edge/sync-protocol';
import { describe, expect, it } from 'vitest';
import { FeedBuilder } from './feed-builder.ts';

const syncMap = parseSyncMap({
  version: 1,
  database: 'skooly',
  tables: { 'public.notice': { scope: null, policy: 'newest' } },
});
const notice = { name: 'public.notice', rule: syncMap.tables.get('public.notice'), through: null } as Table;

function builderAt(position: number): FeedBuilder {
  return new FeedBuilder({
    catalog: { current: { syncMap, tables: new Map([[notice.name, notice]]) } },
    isApply: () => false,
    position,
    followers: [{ campus: 'mvan', feedSeq: 4, stampEpoch: '', stampSeq: 0 }],
    epoch: 'cloud',
    seal: () => '',
  });
}

const whole = { id: '1' };
const part = (endLsn: number, more: boolean): CapturedTransaction => ({
  endLsn,
  part: more ? 0 : 1,
  ...(more && { more }),
  committedAt: 1,
  origin: null,
  messages: [],
  changes: [
    { table: notice.name, key: whole, op: 'insert', before: null, after: whole, whole, wholeBefore: null },
  ],
});

describe('a commit of the cloud that comes in parts', () => {
  it('is one entry, whose last part moves the position', () => {
    const builder = builderAt(100);
    expect(builder.build([part(101, true)])).toMatchObject({ more: true, position: 100, rows: [{ seq: 5 }] });
    expect(builder.build([part(120, false)])).toMatchObject({
      more: false,
      position: 120,
      rows: [{ seq: 6 }],
    });
  });

  it('is passed over when it is read again, from its first part to its last', () => {
    const builder = builderAt(120);
    expect(builder.build([part(101, true)])).toBeNull();
    expect(builder.build([part(120, false)])).toBeNull();
  });
});

describe('a campus that is enrolled', () => {
  it('has what is committed afterwards in its feed, and nothing before', () => {
    const builder = builderAt(100);
    builder.build([{ ...part(110, false), part: undefined }]);
    const content = JSON.stringify({ campus: 'bonaberi' });
    const enrolled = { ...part(120, false), changes: [], messages: [{ prefix: enrolledMessage, content }] };
    expect(builder.build([enrolled])?.followers).toEqual([
      { campus: 'bonaberi', feedSeq: 0, stampEpoch: '', stampSeq: 0 },
    ]);
    expect(builder.build([part(130, false)])?.rows.map(({ campus, seq }) => [campus, seq])).toEqual([
      ['mvan', 6],
      ['bonaberi', 1],
    ]);
  });
});
