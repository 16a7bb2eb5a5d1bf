import type { Pool } from 'pg';
import { expect, test } from 'vitest';
import { leapToKept } from './feed-kept.ts';

function leap(feedAfter: number | undefined, cursor: number) {
  const done: string[] = [];
  const database = {
    query: async (_sql: string, [seq]: number[]) => void done.push(`cursor ${seq}`),
  } as unknown as Pick<Pool, 'query'>;
  const position = feedAfter === undefined ? {} : { feedAfter };
  const request = async (reason: string) => void done.push(reason);
  return leapToKept(position, cursor, database, request).then((at) => ({ at, done }));
}

test('a campus goes on from its cursor as long as the next entry is kept', async () => {
  expect(await leap(10, 10)).toEqual({ at: 10, done: [] });
  expect(await leap(10, 11)).toEqual({ at: 11, done: [] });
  expect(await leap(undefined, 0)).toEqual({ at: 0, done: [] });
});

test('a campus whose next entry is gone asks for a resync, and only then goes on behind it', async () => {
  expect(await leap(10, 4)).toEqual({
    at: 10,
    done: ['the cloud no longer keeps the feed from 5 to 10', 'cursor 10'],
  });
});
