import { expect, test } from 'vitest';
import { wakeOnFailure } from './wake-on-failure.ts';

test('a call that fails wakes, one that is answered does not, and both end as they would have', async () => {
  let woken = 0;
  const call = wakeOnFailure(
    async (answer: string | Error) => {
      if (answer instanceof Error) throw answer;
      return answer;
    },
    () => {
      woken += 1;
    },
  );
  expect(await call('here')).toBe('here');
  expect(woken).toBe(0);
  await expect(call(new Error('cut'))).rejects.toThrow('cut');
  expect(woken).toBe(1);
});
