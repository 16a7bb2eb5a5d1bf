import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootsNamed,
  type CapturedChange,
  type CapturedTransaction,
  encodeFeedBlock,
  type Row,
} from '@skooly-edge/sync-protocol';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logFileName, openFile } from './log-file.ts';
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
  it('stamps what is captured with boot and monotonic time, where it is told how, and finds both again', async () => {
    log.close();
    log = SyncLog.open(dir, () => false, {
      stamp: (committedAt) => ({ boot: 'b.1', mono: committedAt + 1 }),
    });
    await log.append([captured(10), captured(20)]);
    const { lines } = log.read(0, 1e6, 100) ?? { lines: [] };
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { seq: 1, committedAt: 100, boot: 'b.1', mono: 101 },
      { seq: 2, committedAt: 200, boot: 'b.1', mono: 201 },
    ]);
    expect(bootsNamed(lines)).toEqual(new Set(['b.1']));
  });

  it('stamps what the campus says by itself with now, and what it repeats as it was', () => {
    log.close();
    log = SyncLog.open(dir, () => false, {
      stamp: (committedAt) => ({ boot: 'b.1', mono: committedAt + 1 }),
    });
    const { whole: _, wholeBefore: __, ...own } = insert;
    log.appendOwn([own], 100);
    log.appendOwn([own], 50, { boot: 'a.1', mono: 7 });
    log.appendOwn([own], 60, {});
    expect((log.read(0, 1e6, 100)?.lines ?? []).map((line) => JSON.parse(line))).toMatchObject([
      { committedAt: 100, boot: 'b.1', mono: 101 },
      { committedAt: 50, boot: 'a.1', mono: 7 },
      { committedAt: 60 },
    ]);
  });

  it('numbers the transactions from 1 without gaps', async () => {
    await log.append([captured(10), captured(20)]);
    await log.append([captured(30)]);
    const { lines, firstSeq, lastSeq } = log.read(0, 1e6, 100) ?? { lines: [] };
    expect([firstSeq, lastSeq, log.lastSeq, log.lsn]).toEqual([1, 3, 3, 30]);
    expect(lines.map((line) => JSON.parse(line).seq)).toEqual([1, 2, 3]);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      seq: 1,
      committedAt: 100,
      changes: [{ table, key, op: 'update', before: { name: 'x' }, after: { name: 'y' } }],
    });
  });

  it('recognises by its WAL position what it has already', async () => {
    await log.append([captured(10), captured(20)]);
    await log.append([captured(10), captured(20), captured(30)]);
    expect(log.lastSeq).toBe(3);
  });

  it('leaves out what apply wrote and what changed nothing, but moves past it', async () => {
    await log.append([captured(10, undefined, 'apply'), captured(20, [])]);
    expect([log.lastSeq, log.lsn]).toEqual([0, 20]);
    await log.append([captured(30, undefined, 'another')]);
    expect([log.lastSeq, log.lsn]).toEqual([1, 30]);
  });

  it('that fails leaves the log as it was, so that the same batch can be given again', async () => {
    const unprintable = {
      ...update('name'),
      get by(): string {
        throw new Error('cannot be written');
      },
    };
    await expect(log.append([captured(10), captured(20, [unprintable])])).rejects.toThrow(
      'cannot be written',
    );
    expect([log.lastSeq, log.lsn, log.pending().bytes]).toEqual([0, 0, 0]);
    await log.append([captured(10), captured(20)]);
    expect(log.read(0, 1e6, 100)).toMatchObject({ firstSeq: 1, lastSeq: 2 });
  });

  it('calls back only for what is new', async () => {
    let calls = 0;
    const end = log.onAppend(() => calls++);
    await log.append([captured(10)]);
    await log.append([captured(10), captured(20, undefined, 'apply')]);
    expect(calls).toBe(1);
    end();
    await log.append([captured(30)]);
    expect(calls).toBe(1);
  });
});

describe('reading', () => {
  it('keeps to the limits, but gives at least one transaction', async () => {
    await log.append([captured(10), captured(20), captured(30)]);
    expect(log.read(0, 1, 100)).toMatchObject({ firstSeq: 1, lastSeq: 1 });
    expect(log.read(1, 1e6, 1)).toMatchObject({ firstSeq: 2, lastSeq: 2 });
    expect(log.read(3, 1e6, 100)).toBeNull();
  });
});

describe('acknowledging', () => {
  it('moves forward only', async () => {
    await log.append([captured(10), captured(20), captured(30)]);
    log.acknowledge(2);
    log.acknowledge(1);
    expect(log.acknowledged).toBe(2);
    expect(log.pending()).toMatchObject({ transactions: 1, oldestCommittedAt: 300 });
    log.acknowledge(3);
    expect(log.pending()).toEqual({ transactions: 0, bytes: 0, oldestCommittedAt: null });
  });

  it('beyond the end of the log is refused', async () => {
    await log.append([captured(10)]);
    expect(() => log.acknowledge(2)).toThrow(expect.objectContaining({ code: 'LOG_ACK_BEYOND_END' }));
    expect(log.acknowledged).toBe(0);
  });
});

describe('what this campus changed in a row', () => {
  it('is told by column, for the transactions after the stamp', async () => {
    await log.append([captured(10, [update('name')]), captured(20, [update('phone'), update('class', '2')])]);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: new Set(['name', 'phone']), deleted: false });
    expect(log.changesSince(table, key, 1)).toEqual({ columns: new Set(['phone']), deleted: false });
    expect(log.changesSince(table, key, 2)).toBeNull();
    expect(log.changesSince('public.class', key, 0)).toBeNull();
  });

  it('is every column after an insert or a delete', async () => {
    await log.append([captured(10, [insert]), captured(20, [remove])]);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: 'all', deleted: true });
    await log.append([captured(30, [insert, update('name')])]);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: 'all', deleted: false });
  });

  it('is told in the order of a transaction that deletes and inserts', async () => {
    await log.append([captured(10, [remove, insert])]);
    expect(log.changesSince(table, key, 0)?.deleted).toBe(false);
    await log.append([captured(20, [update('name'), remove])]);
    expect(log.changesSince(table, key, 1)?.deleted).toBe(true);
  });

  it('is forgotten up to a stamp, while the transactions stay', async () => {
    await log.append([captured(10), captured(20, [update('phone')])]);
    log.forgetTouches(1);
    expect(log.changesSince(table, key, 0)?.columns).toEqual(new Set(['phone']));
    expect(log.read(0, 1e6, 100)?.lines).toHaveLength(2);
  });
});

describe('opening the log again', () => {
  it('keeps everything, and the epoch stays', async () => {
    await log.append([captured(10), captured(20)]);
    log.acknowledge(1);
    const { epoch } = log;
    const before = [log.lastSeq, log.lsn, log.acknowledged, log.pending(), log.read(0, 1e6, 100)];
    log.close();
    log = open();
    expect([log.epoch, log.fresh]).toEqual([epoch, 'existing']);
    expect([log.lastSeq, log.lsn, log.acknowledged, log.pending(), log.read(0, 1e6, 100)]).toEqual(before);
    await log.append([captured(20), captured(30)]);
    expect(log.lastSeq).toBe(3);
  });

  it('in another folder is another epoch', () => {
    const other = SyncLog.open(join(dir, 'other'), () => false);
    expect(other.epoch).not.toBe(log.epoch);
    other.close();
  });
});

describe('a transaction of the campus itself', () => {
  it('takes the next seq, is pending and touches its rows, while the WAL position stays', async () => {
    await log.append([captured(10)]);
    const { whole: _whole, wholeBefore: _wholeBefore, ...own } = insert;
    expect(log.appendOwn([own], 123)).toBe(2);
    expect([log.lastSeq, log.lsn, log.pending().transactions]).toEqual([2, 10, 2]);
    expect([...log.transactionsAfter(1)]).toEqual([{ seq: 2, committedAt: 123, changes: [own] }]);
    expect(log.changesSince(table, key, 1)).toEqual({ columns: 'all', deleted: false });
    await log.append([captured(20)]);
    expect(log.lastSeq).toBe(3);
  });
});

describe('when the cloud was restored to an earlier point', () => {
  beforeEach(async () => {
    await log.append([captured(10), captured(20, [update('phone')]), captured(30, [remove])]);
    log.acknowledge(3);
    log.forgetTouches(3);
  });

  it('what it lost is pending again, and can be acknowledged again', () => {
    const bytes = log.read(1, 1e6, 100)?.bytes;
    log.rewindAcknowledged(1);
    expect(log.acknowledged).toBe(1);
    expect(log.pending()).toEqual({ transactions: 2, bytes, oldestCommittedAt: 200 });
    log.close();
    log = open();
    expect([log.acknowledged, log.pending().bytes]).toEqual([1, bytes]);
    log.acknowledge(3);
    expect(log.pending().transactions).toBe(0);
  });

  it('the mark does not go forward by going back', () => {
    log.rewindAcknowledged(1);
    log.rewindAcknowledged(2);
    expect(log.acknowledged).toBe(1);
  });

  it('acknowledged transactions can be read, while the log is written', async () => {
    const seqs: number[] = [];
    for (const { seq } of log.transactionsAfter(1)) {
      seqs.push(seq);
      if (seq === 3) await log.append([captured(40)]);
    }
    expect(seqs).toEqual([2, 3, 4]);
  });

  it('what was touched is known again from there on, each transaction once', () => {
    log.rebuildTouches(1);
    log.rebuildTouches(1);
    expect(log.changesSince(table, key, 0)).toEqual({ columns: 'all', deleted: true });
    expect(log.changesSince(table, key, 1)).toEqual({ columns: 'all', deleted: true });
    log.rebuildTouches(0);
    expect(log.changesSince(table, key, 2)).toEqual({ columns: 'all', deleted: true });
    expect(log.changesSince(table, key, 3)).toBeNull();
  });
});

describe('what the disk does not have yet', () => {
  const disk = { syncs: [] as (() => void)[], now: 0 };
  const slow = (): SyncLog => {
    disk.syncs = [];
    const database = openFile(join(dir, 'slow.sqlite'));
    return new SyncLog(database, () => false, {
      walSync: {
        settle: () => new Promise((resolve) => disk.syncs.push(resolve)),
        settleNow: () => {
          disk.now++;
        },
        close: () => {},
      },
    });
  };

  it('is not told, not read and not handed to push; rows that it touches are known', async () => {
    const late = slow();
    const told: number[] = [];
    late.onAppend(() => told.push(late.lastSeq));
    const appended = late.append([captured(10), captured(20)]);
    expect([late.lastSeq, late.read(0, 1_000, 10), late.pending().transactions]).toEqual([0, null, 0]);
    expect(late.changesSince(table, key, 0)).not.toBeNull();
    disk.syncs[0]?.();
    await appended;
    expect([late.lastSeq, late.read(0, 1_000, 10)?.lines.length, told]).toEqual([2, 2, [2]]);
    late.close();
  });

  it('ends where the disk ends, while more is being written', async () => {
    const late = slow();
    const first = late.append([captured(10)]);
    disk.syncs[0]?.();
    await first;
    void late.append([captured(20)]);
    expect([late.lastSeq, late.read(0, 1_000, 10)?.lastSeq]).toEqual([1, 1]);
    late.close();
  });

  it('is there together with what the box logs of its own', () => {
    const late = slow();
    void late.append([captured(10), captured(20)]);
    const before = disk.now;
    expect(late.appendOwn([], 1)).toBe(3);
    expect([late.lastSeq, disk.now]).toEqual([3, before + 1]);
    late.close();
  });
});

describe('feed entries that were received', () => {
  const entry = (seq: number, epoch = 'cloud-1', body = '{}') => ({
    epoch,
    seq,
    stampEpoch: log.epoch,
    stampSeq: seq * 2,
    committedAt: seq * 100,
    lsn: seq * 1000,
    body,
    seal: '',
  });

  const block = (firstSeq: number, lastSeq: number) => {
    const entries = Array.from({ length: lastSeq - firstSeq + 1 }, (_, index) => ({
      epoch: 'cloud-1',
      seq: firstSeq + index,
      stamp: { epoch: log.epoch, seq: (firstSeq + index) * 2 },
      committedAt: 1,
      lsn: 1,
      changes: [],
      corrections: [],
    }));
    return { epoch: 'cloud-1', firstSeq, lastSeq, block: encodeFeedBlock(entries), seal: 'sealed' };
  };
  const proofs = (epoch: string, seq: number, limit: number) =>
    log.receivedAfter(epoch, seq, limit).map(({ proof }) => proof);

  it('are kept as they came, by epoch and in order', async () => {
    await log.keepReceived([entry(1), entry(2), entry(3)]);
    await log.keepReceived([entry(1, 'cloud-2')]);
    expect(proofs('cloud-1', 1, 10)).toEqual([entry(2), entry(3)]);
    expect(proofs('cloud-1', 0, 1)).toEqual([entry(1)]);
    expect(proofs('cloud-2', 0, 10)).toEqual([entry(1, 'cloud-2')]);
  });

  it('that come again stay as they were', async () => {
    await log.keepReceived([entry(1, 'cloud-1', '{"first":true}')]);
    await log.keepReceived([entry(1, 'cloud-1', '{"second":true}'), entry(2)]);
    expect(proofs('cloud-1', 0, 10)).toEqual([entry(1, 'cloud-1', '{"first":true}'), entry(2)]);
  });

  it('in blocks are told one by one, each with the block that proves it', async () => {
    const [early, late] = [block(3, 6), block(3, 8)];
    await log.keepReceived([entry(1), entry(2), early]);
    await log.keepReceived([late, entry(9)]);
    expect(log.receivedAfter('cloud-1', 0, 100).map(({ seq, stampSeq }) => [seq, stampSeq])).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((seq) => [seq, seq * 2]),
    );
    expect(proofs('cloud-1', 3, 2)).toEqual([early, early]);
    expect(proofs('cloud-1', 6, 2)).toEqual([late, late]);
    expect(log.firstReceived('cloud-1')).toBe(1);
  });

  it('are told as many as are asked for, over a hole that was trimmed', async () => {
    await log.keepReceived([entry(1), block(40, 44), block(60, 61)]);
    expect(log.receivedAfter('cloud-1', 0, 7).map(({ seq }) => seq)).toEqual([1, 40, 41, 42, 43, 44, 60]);
  });
});

describe('the file', () => {
  const path = () => join(dir, logFileName);

  it('that was not there is new', () => {
    expect([log.fresh, log.setAside]).toEqual(['new', null]);
  });

  it('of an earlier version is brought forward with all that it holds', () => {
    const old = join(dir, 'old');
    SyncLog.open(old, () => false).close();
    rmSync(join(old, logFileName));
    const database = new Database(join(old, logFileName));
    database.exec(`
      CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE txn (seq INTEGER PRIMARY KEY, committed_at INTEGER NOT NULL, bytes INTEGER NOT NULL, body TEXT NOT NULL);
      CREATE TABLE touch (row_id TEXT NOT NULL, seq INTEGER NOT NULL, op TEXT NOT NULL, columns TEXT, place INTEGER NOT NULL,
        PRIMARY KEY (row_id, seq, place)) WITHOUT ROWID;
      CREATE INDEX touch_by_seq ON touch (seq);
      INSERT INTO meta VALUES ('epoch', 'the-old-one'), ('lsn', '77'), ('lastSeq', '1'), ('acknowledged', '0');
      INSERT INTO txn VALUES (1, 5, 39, '{"seq":1,"committedAt":5,"changes":[]}');
      INSERT INTO touch VALUES ('public.pupil ["1"]', 1, 'update', '["name"]', 0);`);
    database.close();
    const opened = SyncLog.open(old, () => false);
    expect([opened.epoch, opened.lsn, opened.fresh]).toEqual(['the-old-one', 77, 'existing']);
    expect([...opened.transactionsAfter(0)]).toEqual([{ seq: 1, committedAt: 5, changes: [] }]);
    expect(opened.receivedAfter('cloud', 0, 1)).toEqual([]);
    expect(opened.untouched).toBe(0);
    expect(opened.changesSince(table, key, 0)).toEqual({ columns: new Set(['name']), deleted: false });
    opened.close();
    const file = new Database(join(old, logFileName), { readonly: true });
    expect(file.pragma('auto_vacuum', { simple: true })).toBe(2);
    file.close();
  });

  it('of a later version is refused, and left as it is', () => {
    const database = new Database(path());
    database.pragma('user_version = 1000');
    database.close();
    expect(open).toThrow(expect.objectContaining({ code: 'LOG_TOO_NEW' }));
    expect(readdirSync(dir).filter((name) => name.includes('corrupt'))).toEqual([]);
  });

  it.each([
    ['whose content is damaged', (bytes: Buffer) => bytes.fill(0x5a, 4096, 4096 + 3 * 4096)],
    ['that is no database at all', (bytes: Buffer) => bytes.fill('x')],
    ['that was cut short', (bytes: Buffer) => bytes.subarray(0, 5000)],
  ])('%s is set aside whole, and a log with another epoch begins', async (_what, damage) => {
    await log.append(Array.from({ length: 200 }, (_, index) => captured(10 + index)));
    const { epoch } = log;
    log.close();
    const damaged = damage(readFileSync(path()));
    writeFileSync(path(), damaged);
    log = open();
    expect(log.fresh).toBe('replaced-corrupt');
    expect([log.epoch === epoch, log.lastSeq, log.lsn]).toEqual([false, 0, 0]);
    expect(readFileSync(log.setAside ?? '').equals(damaged)).toBe(true);
  });
});

it('what a restored cloud makes it take back is on the disk before anybody goes on', async () => {
  let settled = 0;
  const walSync = { settle: async () => {}, settleNow: () => void settled++, close() {} };
  const own = new SyncLog(openFile(join(dir, 'own.db')), () => false, { walSync });
  await own.append([captured(10), captured(20)]);
  own.acknowledge(2);
  settled = 0;
  own.rewindAcknowledged(1);
  expect(settled).toBe(1);
  own.rebuildTouches(1);
  expect(settled).toBe(2);
  own.close();
});
