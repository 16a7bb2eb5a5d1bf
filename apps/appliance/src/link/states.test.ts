import { describe, expect, test } from 'vitest';
import type { LinkSettings } from './settings.ts';
import {
  firstMemory,
  type LinkEvent,
  type LinkMemory,
  type LinkState,
  linkStates,
  transition,
} from './states.ts';

const settings: LinkSettings = {
  intervalMs: 5_000,
  rest: { afterMs: 300_000, intervalMs: 60_000 },
  suspectIntervalMs: 1_000,
  timeoutMs: 4_000,
  missesToLocal: 3,
  refusalsToLocal: 2,
  hitsToCatchUp: 5,
  brownOut: { lossRatio: 0.4, p95Ms: 3_000, windowMs: 30_000 },
  holdDown: { minMs: 60_000, maxMs: 900_000, decayMs: 900_000 },
};

const events: Record<LinkEvent['type'], LinkEvent> = {
  hit: { type: 'hit', rttMs: 20 },
  miss: { type: 'miss', reason: 'no answer' },
  refused: { type: 'refused', reason: 'refused' },
  brownOut: { type: 'brownOut', reason: 'brown-out' },
  upstreamFailed: { type: 'upstreamFailed', reason: 'a request failed' },
  caughtUp: { type: 'caughtUp' },
  catchUpFailed: { type: 'catchUpFailed', reason: 'the fence took too long' },
};

const nowMs = 1_000_000;
const after = (memory: LinkMemory, event: LinkEvent, atMs = nowMs) =>
  transition(memory, event, { nowMs: atMs, settings });

/** A memory as it is right after the state was entered in an ordinary life. */
function justIn(state: LinkState): LinkMemory {
  const online = { ...firstMemory, state, fresh: false, onlineSinceMs: nowMs - 60_000 };
  const byState: Record<LinkState, LinkMemory> = {
    ONLINE: online,
    SUSPECT: { ...online, misses: 1 },
    LOCAL: { ...online, onlineSinceMs: null },
    RECOVERING: { ...online, onlineSinceMs: null, hits: 1 },
    CATCHING_UP: { ...online, onlineSinceMs: null },
  };
  return byState[state];
}

const expected: Record<LinkState, Record<LinkEvent['type'], LinkState>> = {
  ONLINE: {
    hit: 'ONLINE',
    miss: 'SUSPECT',
    refused: 'SUSPECT',
    brownOut: 'LOCAL',
    upstreamFailed: 'SUSPECT',
    caughtUp: 'ONLINE',
    catchUpFailed: 'ONLINE',
  },
  SUSPECT: {
    hit: 'ONLINE',
    miss: 'SUSPECT',
    refused: 'SUSPECT',
    brownOut: 'LOCAL',
    upstreamFailed: 'SUSPECT',
    caughtUp: 'SUSPECT',
    catchUpFailed: 'SUSPECT',
  },
  LOCAL: {
    hit: 'RECOVERING',
    miss: 'LOCAL',
    refused: 'LOCAL',
    brownOut: 'LOCAL',
    upstreamFailed: 'LOCAL',
    caughtUp: 'LOCAL',
    catchUpFailed: 'LOCAL',
  },
  RECOVERING: {
    hit: 'RECOVERING',
    miss: 'LOCAL',
    refused: 'LOCAL',
    brownOut: 'LOCAL',
    upstreamFailed: 'RECOVERING',
    caughtUp: 'RECOVERING',
    catchUpFailed: 'RECOVERING',
  },
  CATCHING_UP: {
    hit: 'CATCHING_UP',
    miss: 'CATCHING_UP',
    refused: 'CATCHING_UP',
    brownOut: 'LOCAL',
    upstreamFailed: 'CATCHING_UP',
    caughtUp: 'ONLINE',
    catchUpFailed: 'RECOVERING',
  },
};

describe('each cell of the table', () => {
  const cells = linkStates.flatMap((state) =>
    Object.values(events).map((event) => [state, event.type, expected[state][event.type]] as const),
  );
  test.each(cells)('%s, %s: %s', (state, type, next) => {
    const step = after(justIn(state), events[type]);
    expect(step.next.state).toBe(next);
    if (next !== state) expect(step.reasons).not.toEqual([]);
    expect(step.probeNow).toBe(type === 'upstreamFailed' && state !== 'LOCAL');
  });

  test('the event is not remembered in the memory it was applied to', () => {
    const memory = Object.freeze(justIn('ONLINE'));
    for (const event of Object.values(events)) after(memory, event);
    expect(memory).toEqual(justIn('ONLINE'));
  });
});

function live(memory: LinkMemory, ...happens: LinkEvent[]): LinkMemory {
  return happens.reduce((before, event) => after(before, event).next, memory);
}
const { hit, miss, refused, caughtUp, catchUpFailed, upstreamFailed } = events;

describe('fast down', () => {
  test('three misses in a row lead to LOCAL, and a good answer in between begins anew', () => {
    expect(live(justIn('ONLINE'), miss, miss, miss).state).toBe('LOCAL');
    expect(live(justIn('ONLINE'), miss, miss, hit, miss, miss).state).toBe('SUSPECT');
  });

  test('a connection refused twice leads to LOCAL', () => {
    expect(live(justIn('ONLINE'), refused, refused).state).toBe('LOCAL');
    expect(live(justIn('ONLINE'), refused, miss, refused).state).toBe('LOCAL');
  });

  test('failed requests of users alone never lead to LOCAL', () => {
    const many = Array.from({ length: 50 }, () => upstreamFailed);
    expect(live(justIn('ONLINE'), ...many).state).toBe('SUSPECT');
  });

  test('catching up goes on through single misses and ends after three', () => {
    expect(live(justIn('CATCHING_UP'), miss, miss, hit, miss, miss).state).toBe('CATCHING_UP');
    expect(live(justIn('CATCHING_UP'), miss, miss, miss).state).toBe('LOCAL');
  });
});

describe('slow up', () => {
  test('the first time one good answer is enough to begin catching up', () => {
    expect(live(firstMemory, miss, refused, hit).state).toBe('CATCHING_UP');
  });

  test('later it takes five good answers in a row', () => {
    expect(live(justIn('LOCAL'), hit, hit, hit, hit).state).toBe('RECOVERING');
    expect(live(justIn('LOCAL'), hit, hit, hit, hit, hit).state).toBe('CATCHING_UP');
    expect(live(justIn('LOCAL'), hit, hit, hit, hit, miss, hit).state).toBe('RECOVERING');
  });

  test('answers that are too slow to work with do not count', () => {
    expect(live(justIn('RECOVERING'), { type: 'hit', rttMs: 3_000 }).state).toBe('LOCAL');
  });

  test('a failed way back needs five good answers before the next, the first time too', () => {
    const failed = live(firstMemory, hit, catchUpFailed);
    expect(failed.state).toBe('RECOVERING');
    expect(live(failed, hit, hit, hit, hit).state).toBe('RECOVERING');
    expect(live(failed, hit, hit, hit, hit, hit, caughtUp).state).toBe('ONLINE');
  });

  test('good answers wait for the end of the hold-down, and the next one after it counts', () => {
    const fallen = live(justIn('ONLINE'), refused, refused);
    const waiting = live(fallen, hit, hit, hit, hit, hit, hit);
    expect(waiting).toMatchObject({ state: 'RECOVERING', holdDownMs: 60_000 });
    expect(after(waiting, hit, nowMs + 59_999).next.state).toBe('RECOVERING');
    expect(after(waiting, hit, nowMs + 60_000).next.state).toBe('CATCHING_UP');
  });

  test('a fall while catching up lengthens no hold-down, since no user had gone back', () => {
    expect(live(justIn('CATCHING_UP'), miss, miss, miss)).toMatchObject({
      holdDownMs: 0,
      holdDownUntilMs: 0,
    });
  });
});
