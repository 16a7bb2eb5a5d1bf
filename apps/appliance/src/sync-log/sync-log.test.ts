import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CapturedChange, CapturedTransaction, Row } from '@skooly-edge/sync-protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SyncLog } from './sync-log.ts';

const table = 'public.pupil';
const key = { id: '1' };
const change = (
  op: CapturedChange['op'],
  before: Row | null,
  after: Row | null,
  id = '1',
): CapturedChange => ({
  table,
  key: { id },
  op,
  before,
  after,
  whole: { id, ...after },
  wholeBefore: before,
});
const update = (column: string, id = '1') => change('update', { [column]: 'x' }, { [column]: 'y' }, id);
const insert = change('insert', null, { id: '1' });
const remove = change('delete', { id: '1' }, null);
const captured = (
  endLsn: number,
  changes = [update('name')],
  origin: string | null = null,
): CapturedTransaction => ({
  endLsn,
  committedAt: endLsn * 10,
  origin,
  changes,
  messages: [],
});

let dir: string;
let log: SyncLog;
const open = () => SyncLog.open(dir, (origin) => origin === 'apply');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'skooly-sync-log-'));
  log = open();
});
afterEach(() => {
  log.close();
  rmSync(dir, { recursive: true });
});

describe('appending', () => {
  it('numbers the transactions from 1 without gaps', () => {
    log.append([captured(10), captured(20)]);
    log.append([captured(30)]);
    const { lines, firstSeq, lastSeq } = log.read(0, 1e6, 100) ?? { lines: [] };
    expect([firstSeq, lastSeq, log.lastSeq, log.lsn]).toEqual([1, 3, 3, 30]);
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual([1, 2, 3]);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      seq: 1,
      committedAt: 100,
      changes: [{ table, key, op: 'update', before: { name: 'x' }, after: { name: 'y' } }],
    });
  });

  it('recognises by its WAL position what it has already', () => {
    log.append([captured(10), captured(20)]);
    log.append([captured(10), captured(20), captured(30)]);
    expect(log.lastSeq).toBe(3);
  });

  it('leaves out what apply wrote and what changed nothing, but moves past it', () => {
    log.append([captured(10, undefined, 'apply'), captured(20, [])]);
    expect([log.lastSeq, log.lsn]).toEqual([0, 20]);
    log.append([captured(30, undefined, 'another')]);
    expect([log.lastSeq, log.lsn]).toEqual([1, 30]);
  });

  it('that fails leaves the log as it was, so that the same batch can be given again', () => {
    const unprintable = {
      ...update('name'),
      get by(): string {
        throw new Error('cannot be written');
      },
    };
    expect(() => log.append([captured(10), captured(20, [unprintable])])).toThrow('cannot be written');
    expect([log.lastSeq, log.lsn, log.pending().bytes]).toEqual([0, 0, 0]);
    log.append([captured(10), captured(20)]);
    expect(log.read(0, 1e6, 100)).toMatchObject({ firstSeq: 1, lastSeq: 2 });
  });

  it('calls back only for what is new', () => {
    let calls = 0;
    const end = log.onAppend(() => calls++);
    log.append([captured(10)]);
    log.append([captured(10), captured(20, undefined, 'apply')]);
    expect(calls).toBe(1);
    end();
    log.append([captured(30)]);
    expect(calls).toBe(1);
  });
});

describe('reading', () => {
  it('keeps to the limits, but gives at least one transaction', () => {
    log.append([captured(10), captured(20), captured(30)]);
    expect(log.read(0, 1, 100)).toMatchObject({ firstSeq: 1, lastSeq: 1 });
    expect(log.read(1, 1e6, 1)).toMatchObject({ firstSeq: 2, lastSeq: 2 });
    expect(log.read(3, 1e6, 100)).toBeNull();
  });
});

describe('acknowledging', () => {
  it('moves forward only', () => {
    log.append([captured(10), captured(20), captured(30)]);
    log.acknowledge(2);
    log.acknowledge(1);
    expect(log.acknowledged).toBe(2);
    expect(log.pending()).toMatchObject({ transactions: 1, oldestCommittedAt: 300 });
    log.acknowledge(3);
    expect(log.pending()).toEqual({ transactions: 0, bytes: 0, oldestCommittedAt: null });
  });

  it('beyond the end of the log is refused', () => {
    log.append([captured(10)]);
    expect(() => log.acknowledge(2)).toThrow('the log ends at 1');
    expect(log.acknowledged).toBe(0);
  });
});

describe('what this campus changed in a row', () => {
  it('is told by column, for the transactions after the stamp', () => {
    log.append([captured(10, [update('name')]), captured(20, [update('phone'), update('class', '2')])]);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: new Set(['name', 'phone']), deleted: false });
    expect(log.changesSince(table, key, 1)).toEqual({ columns: new Set(['phone']), deleted: false });
    expect(log.changesSince(table, key, 2)).toBeNull();
    expect(log.changesSince('public.class', key, 0)).toBeNull();
  });

  it('is every column after an insert or a delete', () => {
    log.append([captured(10, [insert]), captured(20, [remove])]);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: 'all', deleted: true });
    log.append([captured(30, [insert, update('name')])]);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: 'all', deleted: false });
  });

  it('is told in the order of a transaction that deletes and inserts', () => {
    log.append([captured(10, [remove, insert])]);
    expect(log.changesSince(table, key, 0)?.deleted).toBe(false);
    log.append([captured(20, [update('name'), remove])]);
    expect(log.changesSince(table, key, 1)?.deleted).toBe(true);
  });

  it('is forgotten up to a stamp, while the transactions stay', () => {
    log.append([captured(10), captured(20, [update('phone')])]);
    log.forgetTouches(1);
    expect(log.changesSince(table, key, 0)?.columns).toEqual(new Set(['phone']));
    expect(log.read(0, 1e6, 100)?.lines).toHaveLength(2);
  });
});

describe('opening the log again', () => {
  it('keeps everything, and the epoch stays', () => {
    log.append([captured(10), captured(20)]);
    log.acknowledge(1);
    const { epoch } = log;
    const before = [log.lastSeq, log.lsn, log.acknowledged, log.pending(), log.read(0, 1e6, 100)];
    log.close();
    log = open();
    expect(log.epoch).toBe(epoch);
    expect([log.lastSeq, log.lsn, log.acknowledged, log.pending(), log.read(0, 1e6, 100)]).toEqual(before);
    log.append([captured(20), captured(30)]);
    expect(log.lastSeq).toBe(3);
  });

  it('in another folder is another epoch', () => {
    const other = SyncLog.open(join(dir, 'other'), () => false);
    expect(other.epoch).not.toBe(log.epoch);
    other.close();
  });
});
