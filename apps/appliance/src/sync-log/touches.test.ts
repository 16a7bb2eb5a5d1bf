import type { CapturedTransaction } from '@skooly-edge/sync-protocol';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keepTouches } from './keep-touches.ts';
import { migrate } from './log-schema.ts';
import { SyncLog } from './sync-log.ts';

const table = 'public.pupil';
const stretch = 4;
const longAfter = 1e15;

let database: Database.Database;
let log: SyncLog;
const open = () => new SyncLog(database, () => false, { now: () => 1, touchStretch: stretch });

beforeEach(() => {
  database = new Database(':memory:');
  migrate(database);
  log = open();
});
afterEach(() => log.close());

/** Each changes one column of one of two rows. */
const captured = (seq: number): CapturedTransaction => {
  const [id, column] = [String(seq % 2), `column${seq}`];
  const [before, after] = [{ [column]: 'x' }, { [column]: 'y' }];
  const change = {
    table,
    key: { id },
    op: 'update' as const,
    before,
    after,
    whole: after,
    wholeBefore: before,
  };
  return { endLsn: seq, committedAt: seq, origin: null, messages: [], changes: [change] };
};
const append = async (from: number, to: number) => {
  for (let seq = from; seq <= to; seq++) await log.append([captured(seq)]);
};
const touched = (id: string, stampSeq: number) => {
  const columns = log.changesSince(table, { id }, stampSeq)?.columns ?? [];
  return [...columns].map((column) => Number(column.slice('column'.length)));
};
const made = () =>
  database
    .prepare<[], { seq: number }>('SELECT seq FROM touch ORDER BY seq')
    .all()
    .map(({ seq }) => seq);

describe('what the transactions touched', () => {
  it('is not made when they are written, and all of it when somebody asks', async () => {
    await append(1, 9);
    expect([log.untouched, made()]).toEqual([9, []]);
    expect(touched('1', 2)).toEqual([3, 5, 7, 9]);
    expect([log.untouched, made().length]).toEqual([0, 9]);
    await append(10, 11);
    expect(touched('1', 6)).toEqual([7, 9, 11]);
    expect(touched('0', 9)).toEqual([10]);
  });

  it('is made slice by slice too, goes on after a restart, and is the same then', async () => {
    await append(1, 40);
    expect(log.touchSlice(1, 1)).toBe(true);
    const { untouched } = log;
    expect(untouched).toBeGreaterThan(0);
    expect(untouched).toBeLessThan(40);
    log = open();
    expect(log.untouched).toBe(untouched);
    expect(touched('0', 33)).toEqual([34, 36, 38, 40]);
    expect(made()).toHaveLength(40);
    expect(log.touchSlice(1, 1)).toBe(false);
  });

  it('is not made at all of what is forgotten before its turn', async () => {
    await append(1, 9);
    log.forgetTouches(7);
    expect(touched('1', 0)).toEqual([9]);
    expect(made()).toEqual([8, 9]);
    await append(10, 12);
    log.forgetTouches(12);
    expect([log.untouched, touched('1', 0)]).toEqual([0, []]);
    log.touchSlice(1, 1);
    log = open();
    expect([log.untouched, made()]).toEqual([0, [9]]);
  });

  it('is removed where it is forgotten, whole stretches a few rows at a time, and only when it is their turn', async () => {
    await append(1, 9);
    touched('1', 0);
    log.forgetTouches(8);
    expect(made()).toHaveLength(9);
    expect(log.touchSlice(1, 5)).toBe(true);
    expect(made()).toHaveLength(4);
    expect(log.touchSlice(1, 5)).toBe(true);
    expect(log.touchSlice(1, 5)).toBe(false);
    expect(made()).toEqual([8, 9]);
    expect(touched('0', 0)).toEqual([]);
  });

  it('is made anew from where a restored cloud begins again, whatever was forgotten or never made', async () => {
    await append(1, 6);
    touched('1', 0);
    log.forgetTouches(6);
    while (log.touchSlice(1, 100));
    await append(7, 14);
    log.forgetTouches(14);
    log.rebuildTouches(2);
    log = open();
    expect(touched('0', 2)).toEqual([4, 6, 8, 10, 12, 14]);
    expect(touched('1', 9)).toEqual([11, 13]);
  });

  it('stays known of transactions that are no longer kept', async () => {
    await append(1, 9);
    log.acknowledge(9);
    log.forgetTouches(2);
    expect(log.trimSlice(longAfter, 6)).toBe(6);
    expect(log.firstSeq).toBe(7);
    expect(touched('1', 2)).toEqual([3, 5, 7, 9]);
  });

  it('is nothing of transactions that were forgotten and removed before it was written down', async () => {
    await append(1, 9);
    log.acknowledge(9);
    log.forgetTouches(9);
    log.trimSlice(longAfter, 100);
    log = open();
    expect([log.lastSeq, log.untouched]).toEqual([9, 9]);
    expect(touched('1', 0)).toEqual([]);
    expect(log.untouched).toBe(0);
  });
});

describe('the keeper of it', () => {
  /** @param busy Looks at which somebody has written meanwhile. @returns the slices that were done by each look. */
  async function slicesByLook(busy: readonly boolean[], untouched: number): Promise<number[]> {
    const stop = new AbortController();
    const world = { stirred: 0, untouched, slices: 0 };
    const seen: number[] = [];
    const touching = {
      get stirred() {
        return world.stirred;
      },
      get untouched() {
        return world.untouched;
      },
      touchSlice() {
        world.slices++;
        world.untouched = Math.max(0, world.untouched - 1_000);
        return world.untouched > 0;
      },
    };
    const pause = async (ms: number) => {
      if (ms < 1_000) return;
      if (busy[seen.length]) world.stirred++;
      seen.push(world.slices);
      if (seen.length > busy.length) stop.abort();
    };
    await keepTouches({ log: touching, logger: pino({ level: 'silent' }), pause }, stop.signal);
    return seen;
  }

  it('works while nobody writes, and not while somebody does', async () => {
    expect(await slicesByLook([true, true, false, true], 10_000)).toEqual([0, 0, 0, 10, 10]);
  });

  it('works for all that when too much is left', async () => {
    expect(await slicesByLook([true, true], 40_000)).toEqual([0, 10, 10]);
  });
});
