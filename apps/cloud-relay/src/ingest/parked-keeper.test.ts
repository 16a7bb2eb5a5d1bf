import { conflictTable } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import type { CloudStore } from './cloud-store.ts';
import { ParkedKeeper } from './parked-keeper.ts';

const limitMs = 10_000;

/** A keeper with one campus that has something parked; each try takes `tryMs` of its clock. */
function world(tryMs: number) {
  let nowMs = 0;
  const tries: string[][] = [];
  const query = async (_text: string, [everything, tables]: [boolean, string[]]) => {
    tries.push(everything ? ['everything'] : tables.toSorted());
    return { rows: [{ campus: 'mvan' }] };
  };
  const keeper = new ParkedKeeper({
    store: {
      async commit() {
        nowMs += tryMs;
        return { applied: 0, dropped: 0, left: 1 };
      },
    } as unknown as CloudStore,
    queries: { query } as unknown as Pool,
    logger: pino({ level: 'silent' }),
    now: () => new Date(),
    monotonicMs: () => nowMs,
  });
  return { keeper, tries, pass: (ms: number) => (nowMs += ms) };
}

async function running(keeper: ParkedKeeper, work: () => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const run = keeper.run(stopping.signal);
  try {
    await work();
  } finally {
    stopping.abort();
    await run;
  }
}

test('after a long try changed tables wait, and decisions do not', async () => {
  const { keeper, tries, pass } = world(2_000);
  await running(keeper, async () => {
    await vi.waitFor(() => expect(tries).toEqual([['everything']]), limitMs);
    keeper.touched(['public.pupil', conflictTable]);
    await vi.waitFor(() => expect(tries.at(-1)).toEqual([conflictTable]), limitMs);
    pass(18_000);
    keeper.touched(['public.mark']);
    await vi.waitFor(() => expect(tries.at(-1)).toEqual(['public.mark', 'public.pupil']), limitMs);
  });
  expect(tries).toHaveLength(3);
}, 30_000);

test('what has waited is tried when the rest is over, though nothing else happens', async () => {
  const { keeper, tries, pass } = world(60);
  await running(keeper, async () => {
    await vi.waitFor(() => expect(tries).toEqual([['everything']]), limitMs);
    keeper.touched(['public.pupil', conflictTable]);
    await vi.waitFor(() => expect(tries.at(-1)).toEqual([conflictTable]), limitMs);
    pass(10_000);
    await vi.waitFor(() => expect(tries.at(-1)).toEqual(['public.pupil']), limitMs);
  });
}, 30_000);
