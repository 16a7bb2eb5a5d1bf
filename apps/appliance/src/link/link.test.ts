import { pino } from 'pino';
import { expect, test } from 'vitest';
import { ManualClock } from '../../../../test/support/manual-clock.ts';
import { createLink, type LinkChange } from './link.ts';
import type { ProbeRound } from './probe.ts';
import type { LinkSettings } from './settings.ts';

class TestClock extends ManualClock {
  wallMs(): number {
    return Date.parse('2026-03-02T07:00:00Z') + this.now();
  }
}

const settings: LinkSettings = {
  intervalMs: 5_000,
  rest: { afterMs: 300_000, intervalMs: 60_000 },
  suspectIntervalMs: 1_000,
  timeoutMs: 4_000,
  missesToLocal: 3,
  refusalsToLocal: 2,
  hitsToCatchUp: 2,
  brownOut: { lossRatio: 0.4, p95Ms: 3_000, windowMs: 30_000 },
  holdDown: { minMs: 0, maxMs: 0, decayMs: 1_000 },
};

const good: ProbeRound = {
  outcome: 'hit',
  rttMs: 20,
  clockOffsetMs: 7,
  reason: 'the cloud answers',
  probes: [],
};
const bad: ProbeRound = {
  outcome: 'miss',
  rttMs: null,
  clockOffsetMs: null,
  reason: 'no answer',
  probes: [],
};

function startLink(answer: (signal: AbortSignal) => Promise<ProbeRound>) {
  const clock = new TestClock();
  const stop = new AbortController();
  const at: number[] = [];
  const changes: LinkChange[] = [];
  const probe = (signal: AbortSignal) => {
    at.push(clock.now());
    return answer(signal);
  };
  const link = createLink({ settings, clock, logger: pino({ level: 'silent' }), probe });
  link.onChange((change) => changes.push(change));
  const ended = link.run(stop.signal);
  return {
    link,
    at,
    changes,
    /** In small steps, so that what the loop awaits can happen in between. */
    async pass(ms: number) {
      for (let passed = 0; passed < ms; passed += 100) {
        await new Promise(setImmediate);
        clock.advance(100);
      }
      await new Promise(setImmediate);
    },
    async end() {
      stop.abort();
      await ended;
    },
  };
}

test('it begins in LOCAL, and goes online after a good answer and catching up', async () => {
  const { link, changes, pass, end } = startLink(async () => good);
  expect(link.state).toBe('LOCAL');
  await pass(100);
  expect(link.state).toBe('CATCHING_UP');
  link.report({ type: 'caughtUp' });
  expect(link.state).toBe('ONLINE');
  expect(changes.map(({ previous, state }) => `${previous} ${state}`)).toEqual([
    'LOCAL CATCHING_UP',
    'CATCHING_UP ONLINE',
  ]);
  expect(link.snapshot()).toMatchObject({
    state: 'ONLINE',
    clockOffsetMs: 7,
    since: link.since.toISOString(),
  });
  await end();
});

test('it probes at its interval, and faster once the cloud is suspect, and until it is back', async () => {
  let round = good;
  const { link, at, pass, end } = startLink(async () => round);
  await pass(100);
  link.report({ type: 'caughtUp' });
  await pass(9_000);
  expect(at).toEqual([0, 5_000]);
  round = bad;
  await pass(5_000);
  expect(link.state).toBe('LOCAL');
  expect(at).toEqual([0, 5_000, 10_000, 11_000, 12_000, 13_000, 14_000]);
  await end();
});

test('a cloud that answers and is in trouble is asked at the usual interval', async () => {
  const probe = {
    url: 'https://relay.example/',
    kind: 'signed' as const,
    at: '2026-03-02T07:00:00.000Z',
    ok: false,
    refused: false,
    rttMs: 12,
    problem: 'the answer is 503',
  };
  const round = { ...bad, probes: [probe] };
  const { link, at, pass, end } = startLink(async () => round);
  await pass(11_000);
  expect([link.state, at]).toEqual(['LOCAL', [0, 5_000, 10_000]]);
  await end();
});

test('unused for a while it probes seldom, and the first use brings the next probe at once', async () => {
  let round = good;
  const { link, at, pass, end } = startLink(async () => round);
  await pass(100);
  link.report({ type: 'caughtUp' });
  await pass(300_000);
  const awake = at.length;
  await pass(120_000);
  expect(at.slice(awake)).toEqual([360_000, 420_000]);
  round = bad;
  await pass(20_000);
  expect(link.state).toBe('ONLINE');
  link.used();
  await pass(2_100);
  expect(link.state).toBe('LOCAL');
  await end();
});

test('used now and then it does not rest, nor does it while the cloud is away', async () => {
  let round = good;
  const { link, at, pass, end } = startLink(async () => round);
  await pass(100);
  link.report({ type: 'caughtUp' });
  for (let minute = 0; minute < 10; minute += 1) {
    link.used();
    await pass(60_000);
  }
  const intervals = () => new Set(at.slice(1).map((ms, index) => ms - (at[index] ?? 0)));
  expect([...intervals()]).toEqual([5_000]);
  round = bad;
  await pass(600_000);
  expect(Math.max(...intervals())).toBe(5_000);
  await end();
});

test('evidence from the gateway brings the next probe forward, but a storm of it makes no storm of probes', async () => {
  const { link, at, pass, end } = startLink(async () => good);
  await pass(100);
  link.report({ type: 'caughtUp' });
  await pass(2_000);
  const storm = () => {
    for (let n = 0; n < 100; n += 1) link.report({ type: 'upstreamFailed', reason: 'reset' });
  };
  storm();
  expect(link.state).toBe('SUSPECT');
  await pass(100);
  expect(at).toHaveLength(2);
  expect(link.state).toBe('ONLINE');
  storm();
  await pass(500);
  expect(at).toHaveLength(2);
  await pass(600);
  expect(at).toHaveLength(3);
  await end();
});

test('a round that never ends counts as a miss, and the next one comes', async () => {
  let hang = false;
  const { link, at, pass, end } = startLink(() =>
    hang ? new Promise(() => undefined) : Promise.resolve(good),
  );
  await pass(100);
  link.report({ type: 'caughtUp' });
  hang = true;
  await pass(10_000);
  expect(link.state).toBe('SUSPECT');
  expect(link.snapshot().reasons).toEqual(['the probes did not end in time']);
  await pass(15_000);
  expect(link.state).toBe('LOCAL');
  expect(at.length).toBeGreaterThanOrEqual(5);
  await end();
});

test('probes that throw, and listeners that throw, do not end the loop', async () => {
  let calls = 0;
  const { link, pass, end } = startLink(() => {
    calls += 1;
    if (calls < 3) throw new Error('bug');
    return Promise.resolve(good);
  });
  link.onChange(() => {
    throw new Error('bug of a listener');
  });
  await pass(11_000);
  expect(link.state).toBe('CATCHING_UP');
  await end();
});

test('a brown-out leads to LOCAL, and what was measured before the fall does not count after it', async () => {
  let calls = 0;
  let lossy = true;
  const answer = async () => (lossy && calls++ % 2 === 1 ? bad : good);
  const { link, changes, pass, end } = startLink(answer);
  await pass(100);
  link.report({ type: 'caughtUp' });
  await pass(60_000);
  const falls = changes.filter(({ state }) => state === 'LOCAL').map(({ reasons }) => reasons[0]);
  expect(falls[0]).toMatch(/^brown-out: \d\d % of the probes/);
  expect(new Set(falls.slice(1))).toEqual(new Set(['no answer']));
  lossy = false;
  await pass(15_000);
  link.report({ type: 'caughtUp' });
  await pass(60_000);
  expect(link.state).toBe('ONLINE');
  await end();
});

test('who no longer listens is no longer told', async () => {
  const { link, pass, end } = startLink(async () => good);
  let told = 0;
  const stop = link.onChange(() => {
    told += 1;
  });
  stop();
  stop();
  await pass(100);
  expect(told).toBe(0);
  await end();
});
