import type { OwnChanges, Row } from '@skooly-edge/sync-protocol';
import { expect, test } from 'vitest';
import { type Attempt, EarlyAnswers } from './early-answers.ts';

const name = (column: string): OwnChanges => ({ columns: new Set([column]), deleted: false });

/** @param captured What the log comes to hold of the row `p1` while capture is waited for. */
function world(captured: OwnChanges | null = null) {
  const own = new Map<string, OwnChanges>();
  const drifts: unknown[] = [];
  let waits = 0;
  const early = new EarlyAnswers({
    epoch: 'log',
    lastSeq: 0,
    changesSince: (_table: string, key: Row) => own.get(key.id ?? '') ?? null,
    forgetTouches() {},
  });
  const prove = () =>
    early.prove(
      async () => {
        waits++;
        if (captured) own.set('p1', captured);
      },
      (...row) => void drifts.push(row),
    );
  return { early, own, drifts, prove, waits: () => waits };
}

const asks =
  (id: string) =>
  async ({ ask }: Attempt) =>
    void ask('public.pupil', { id }, 7);

test('answers that hold once every local commit is in the log need one wait together', async () => {
  const { early, own, prove, waits } = world(name('phone'));
  own.set('p1', name('phone'));
  for (const id of ['p1', 'p2', 'p3']) await early.attempt(asks(id));
  await prove();
  expect(waits()).toBe(1);
});

test('a local commit that was overlooked begins the commit anew', async () => {
  const { early, own, prove } = world({ columns: 'all', deleted: true });
  own.set('p1', name('phone'));
  await early.attempt(asks('p1'));
  await expect(prove()).rejects.toMatchObject({ name: 'RowsMovedError' });
});

test('what an attempt was told that failed is of no account, and without an answer nobody waits', async () => {
  const { early, drifts, prove, waits } = world(name('phone'));
  const failing = early.attempt(async (attempt) => {
    await asks('p1')(attempt);
    attempt.drifted('public.pupil', { id: 'p1' }, 3);
    throw new Error('refused');
  });
  await expect(failing).rejects.toThrow('refused');
  await prove();
  expect([waits(), drifts]).toEqual([0, []]);
});

test('a drift is told once it is sure', async () => {
  const sure = world();
  const overlooked = world(name('phone'));
  for (const { early } of [sure, overlooked])
    await early.attempt(async (attempt) => {
      await asks('p1')(attempt);
      attempt.drifted('public.pupil', { id: 'p1' }, 3);
    });
  expect(sure.drifts).toEqual([]);
  await sure.prove();
  expect(sure.drifts).toEqual([['public.pupil', { id: 'p1' }, 3]]);
  await expect(overlooked.prove()).rejects.toThrow();
  expect(overlooked.drifts).toEqual([]);
});
