import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CapturedTransaction, encodeFeedBlock } from '@skooly-edge/sync-protocol';
import type Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededSchool, transactionsOfDay } from '../../../../test/support/school-days.ts';
import { logFileName, openFile } from './log-file.ts';
import { daysThatFit, defaultBudgetBytes, defaultKeepDays, floorMs, nextCut, tidy } from './retention.ts';
import { SyncLog } from './sync-log.ts';

const dayMs = 24 * 3_600_000;
const start = Date.UTC(2026, 8, 1);
const settings = { keepMs: 35 * dayMs, budgetBytes: 1e9 };

describe('what goes next', () => {
  const usage = { usedBytes: 1e6, fileBytes: 1e6, oldestMs: start };
  const at = (days: number, diskIsShort = false) => ({ nowMs: start + days * dayMs, diskIsShort });

  it('is nothing before its days are over, and what is older afterwards', () => {
    expect(nextCut(usage, settings, at(34))).toBeNull();
    expect(nextCut(usage, settings, at(36))).toEqual({ notedByMs: start + dayMs, reason: 'age' });
  });

  it('is the oldest hour when the log is beyond its budget, or the disk is short', () => {
    const hour = start + 3_600_000;
    const beyond = { ...usage, usedBytes: 2e9 };
    expect(nextCut(beyond, settings, at(5))).toEqual({ notedByMs: hour, reason: 'budget' });
    expect(nextCut(usage, settings, at(5, true))).toEqual({ notedByMs: hour, reason: 'disk' });
  });

  it('is never younger than the floor', () => {
    expect(nextCut(usage, settings, { nowMs: start + floorMs - 1, diskIsShort: true })).toBeNull();
    expect(nextCut(usage, settings, { nowMs: start + floorMs, diskIsShort: true })?.notedByMs).toBe(start);
  });

  it('is nothing while the time is not known, or when nothing may go', () => {
    expect(nextCut(usage, settings, { nowMs: null, diskIsShort: true })).toBeNull();
    expect(nextCut({ ...usage, oldestMs: null }, settings, at(100, true))).toBeNull();
  });
});

describe('the log', () => {
  let dir: string;
  let log: SyncLog;
  let nowMs: number | null;
  const signal = new AbortController().signal;
  const now = () => nowMs;
  const keeper = (changed: object = {}) => ({
    log,
    settings,
    now,
    logger: pino({ level: 'silent' }),
    diskIsShort: () => false,
    ...changed,
  });
  const captured = (endLsn: number, text = 'y'): CapturedTransaction => {
    const row = { id: String(endLsn), name: text };
    const change = { table: 'public.pupil', key: { id: row.id }, op: 'insert' as const, before: null };
    return {
      endLsn,
      committedAt: 1,
      origin: null,
      messages: [],
      changes: [{ ...change, after: row, whole: row, wholeBefore: null }],
    };
  };
  const entry = (seq: number) => ({
    epoch: 'cloud',
    seq,
    stampEpoch: '',
    stampSeq: 0,
    committedAt: 1,
    lsn: 1,
    body: '{}',
    seal: '',
  });
  const block = (firstSeq: number, lastSeq: number) => {
    const entries = Array.from({ length: lastSeq - firstSeq + 1 }, (_, index) => ({
      epoch: 'cloud',
      seq: firstSeq + index,
      stamp: { epoch: '', seq: 0 },
      committedAt: 1,
      lsn: 1,
      changes: [],
      corrections: [],
    }));
    return { epoch: 'cloud', firstSeq, lastSeq, block: encodeFeedBlock(entries), seal: '' };
  };
  const receivedSeqs = () => log.receivedAfter('cloud', 0, 10_000).map(({ seq }) => seq);

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'skooly-retention-'));
    nowMs = start;
    log = SyncLog.open(dir, () => false, { now });
  });
  afterEach(() => {
    log.close();
    rmSync(dir, { recursive: true });
  });

  it('keeps for 35 days from the acknowledgement on, however old the commit is', async () => {
    await log.append([captured(1), captured(2), captured(3)]);
    log.acknowledge(2);
    await log.keepReceived([entry(1)]);
    nowMs = start + 20 * dayMs;
    log.acknowledge(3);
    await log.keepReceived([entry(2)]);
    await log.append([captured(4)]);
    nowMs = start + 34 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(0);
    nowMs = start + 36 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(3);
    expect([log.firstSeq, receivedSeqs()]).toEqual([3, [2]]);
    expect([...log.transactionsAfter(2)].map(({ seq }) => seq)).toEqual([3, 4]);
  });

  it('lets what was received in blocks go block by block, counted from when it came or the time was known', async () => {
    await log.keepReceived([block(1, 3)]);
    nowMs = null;
    await log.keepReceived([block(4, 6)]);
    nowMs = start + 20 * dayMs;
    log.dateKept(nowMs);
    expect(log.usage().oldestMs).toBe(start);
    nowMs = start + 36 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(1);
    expect(receivedSeqs()).toEqual([4, 5, 6]);
    nowMs = start + 56 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(1);
    expect(receivedSeqs()).toEqual([]);
  });

  it('never removes what is pending, and says when it alone is beyond the budget', async () => {
    await log.append(Array.from({ length: 50 }, (_, index) => captured(index + 1, 'x'.repeat(4_000))));
    log.acknowledge(10);
    nowMs = start + 1_000 * dayMs;
    const small = keeper({ settings: { keepMs: 1, budgetBytes: 1 }, diskIsShort: () => true });
    expect(await tidy(small, signal)).toBe(10);
    expect([log.firstSeq, log.pending().transactions]).toEqual([11, 40]);
    expect(log.usage()).toMatchObject({ oldestMs: null });
    expect(log.usage().usedBytes).toBeGreaterThan(1);
  });

  it('says what is asked for and gone, instead of giving what is further on', async () => {
    await log.append([captured(1), captured(2), captured(3)]);
    log.acknowledge(2);
    nowMs = start + 36 * dayMs;
    await tidy(keeper(), signal);
    const trimmed = expect.objectContaining({ code: 'LOG_TRIMMED' });
    expect(() => log.read(1, 1e6, 10)).toThrow(trimmed);
    expect(() => [...log.transactionsAfter(0)]).toThrow(trimmed);
    expect(() => log.rewindAcknowledged(1)).toThrow(trimmed);
    expect(() => log.rebuildTouches(1)).toThrow(trimmed);
    expect(log.acknowledged).toBe(2);
    expect(log.read(2, 1e6, 10)).toMatchObject({ firstSeq: 3 });
  });

  it('goes on counting when everything was removed and it is opened again', async () => {
    await log.append([captured(1), captured(2)]);
    log.acknowledge(2);
    nowMs = start + 36 * dayMs;
    await tidy(keeper(), signal);
    log.close();
    log = SyncLog.open(dir, () => false, { now });
    expect([log.firstSeq, log.lastSeq, log.pending().transactions]).toEqual([3, 2, 0]);
    await log.append([captured(3)]);
    expect(log.read(2, 1e6, 10)).toMatchObject({ firstSeq: 3, lastSeq: 3 });
  });

  it('removes nothing early because a clock stood in 1970 or in the future', async () => {
    nowMs = null;
    await log.append([captured(1), captured(2)]);
    log.acknowledge(1);
    await log.keepReceived([entry(1)]);
    nowMs = start + 400 * dayMs;
    log.acknowledge(2);
    await log.keepReceived([entry(2)]);
    nowMs = start;
    expect(await tidy(keeper(), signal)).toBe(0);
    nowMs = start + 34 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(0);
    nowMs = start + 36 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(4);
  });

  it('keeps what is pending again after the cloud was restored', async () => {
    await log.append([captured(1), captured(2), captured(3)]);
    log.acknowledge(3);
    nowMs = start + 30 * dayMs;
    log.rewindAcknowledged(1);
    nowMs = start + 36 * dayMs;
    await tidy(keeper(), signal);
    expect([log.firstSeq, log.pending().transactions]).toEqual([2, 2]);
    log.acknowledge(3);
    nowMs += 34 * dayMs;
    await tidy(keeper(), signal);
    expect(log.firstSeq).toBe(2);
  });

  it('hands its room back to the disk', async () => {
    for (let lsn = 1; lsn <= 2_000; lsn += 100)
      await log.append(Array.from({ length: 100 }, (_, index) => captured(lsn + index, 'x'.repeat(10_000))));
    log.acknowledge(2_000);
    const full = log.usage().fileBytes;
    nowMs = start + 36 * dayMs;
    expect(await tidy(keeper(), signal)).toBe(2_000);
    expect(log.usage().fileBytes).toBeLessThan(full / 2);
  });

  it('on a full disk takes nothing, loses nothing, and goes on when there is room', async () => {
    log.close();
    const database: Database.Database = openFile(join(dir, logFileName));
    log = new SyncLog(database, () => false, { now });
    await log.append([captured(1)]);
    database.pragma(`max_page_count = ${database.pragma('page_count', { simple: true })}`);
    const large = captured(2, 'x'.repeat(100_000));
    await expect(log.append([large])).rejects.toMatchObject({ code: 'LOG_FULL' });
    expect([log.lastSeq, log.lsn, log.full]).toEqual([1, 1, true]);
    database.pragma('max_page_count = 1000000');
    await log.append([large]);
    expect([log.lastSeq, log.lsn, log.full]).toEqual([2, 2, false]);
    expect([...log.transactionsAfter(0)].map(({ seq }) => seq)).toEqual([1, 2]);
  });

  it('of the seeded school fits the budget with 100 days offline and the 35 days before them', async () => {
    const days = 5;
    const school = seededSchool();
    for (let day = 1; day <= days; day++) await log.append(transactionsOfDay(school, day));
    const bytesPerDay = log.usage().usedBytes / days;
    expect(daysThatFit(defaultBudgetBytes, bytesPerDay)).toBeGreaterThan(100 + defaultKeepDays);
    expect(daysThatFit(defaultBudgetBytes, 1_100_000)).toBe(976);
    expect(bytesPerDay).toBeLessThan(1_500_000);
  });
});
