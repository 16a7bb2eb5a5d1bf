import { expect, test } from 'vitest';
import { maxSyncLogLines, nextRange, type SyncLogSource, takeSyncLog } from './sync-log.ts';

function logOf(options: { epoch?: string; first?: number; head: number; lines?: number }): SyncLogSource {
  const { epoch = 'e1', first = 1, head, lines = head } = options;
  return {
    epoch,
    first: () => first,
    head: () => head,
    *read(from, to) {
      for (let seq = from; seq <= Math.min(to, lines); seq++) yield `{"seq":${seq}}`;
    },
  };
}

test('each range begins where the last one ended, and nothing new is no range', () => {
  const log = logOf({ head: 10 });
  expect(nextRange(log, null)).toEqual({ about: { epoch: 'e1', fromSeq: 1, toSeq: 10 }, missed: null });
  expect(nextRange(log, { epoch: 'e1', seq: 7 })?.about).toMatchObject({ fromSeq: 8, toSeq: 10 });
  expect(nextRange(log, { epoch: 'e1', seq: 10 })).toBeNull();
  expect(nextRange(logOf({ head: 0 }), null)).toBeNull();
});

test('a log of another epoch is exported from its beginning', () => {
  expect(nextRange(logOf({ epoch: 'e2', head: 3 }), { epoch: 'e1', seq: 900 })?.about).toEqual({
    epoch: 'e2',
    fromSeq: 1,
    toSeq: 3,
  });
});

test('what the log gave up before it was exported is named, and the rest goes on', () => {
  expect(nextRange(logOf({ first: 50, head: 60 }), { epoch: 'e1', seq: 40 })).toEqual({
    about: { epoch: 'e1', fromSeq: 50, toSeq: 60 },
    missed: { fromSeq: 41, toSeq: 49 },
  });
});

test('one range is never longer than its limit', () => {
  const range = nextRange(logOf({ head: 3 * maxSyncLogLines }), null);
  expect(range?.about.toSeq).toBe(maxSyncLogLines);
});

test('the lines come as they are, one each', async () => {
  const taken = takeSyncLog(logOf({ head: 3 }), { epoch: 'e1', fromSeq: 2, toSeq: 3 });
  expect(Buffer.concat(await taken.stream.toArray()).toString()).toBe('{"seq":2}\n{"seq":3}\n');
});

test('a log that gives fewer lines than it promised makes the stream fail', async () => {
  const taken = takeSyncLog(logOf({ head: 5, lines: 3 }), { epoch: 'e1', fromSeq: 1, toSeq: 5 });
  await expect(taken.stream.toArray()).rejects.toMatchObject({ code: 'SOURCE_FAILED' });
});
