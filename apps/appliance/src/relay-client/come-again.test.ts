import { expect, it } from 'vitest';
import { comeAgain } from './come-again.ts';
import { RelayRefusal, relayFetch } from './relay-fetch.ts';

const later = (ms: number | null) => new RelayRefusal(429, { code: 'RELAY_BUSY' }, ms);

/** @returns how long it stayed away each time, and how it ended. */
function asking(refusals: Error[], random = 0, signal = new AbortController().signal) {
  const pauses: number[] = [];
  const ask = async () => {
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    return 'taken';
  };
  const pause = async (ms: number, limit: AbortSignal) => {
    pauses.push(ms);
    limit.throwIfAborted();
  };
  return { pauses, ended: comeAgain(ask, { random: () => random, pause }, signal) };
}

it('comes again when it was told to, until it is taken', async () => {
  const { pauses, ended } = asking([later(3_000), later(1_000)]);
  expect(await ended).toBe('taken');
  expect(pauses).toEqual([3_000, 1_000]);
});

it('comes up to a quarter later, by chance, and never sooner', async () => {
  const { pauses, ended } = asking([later(4_000)], 1);
  expect(await ended).toBe('taken');
  expect(pauses).toEqual([5_000]);
});

it('does not overtake what was asked for before it', async () => {
  const first = Promise.withResolvers<void>();
  const taken: string[] = [];
  const refusals = [later(1_000)];
  const ask = async () => {
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    taken.push('second');
  };
  const patience = { random: () => 0, pause: async () => {} };
  const ended = comeAgain(ask, patience, new AbortController().signal, first.promise);
  await new Promise((resolve) => setTimeout(resolve, 5));
  taken.push('first');
  first.resolve();
  await ended;
  expect(taken).toEqual(['first', 'second']);
});

it('stays away no longer than two minutes, whoever says so', async () => {
  const { pauses, ended } = asking([later(86_400_000)]);
  await ended;
  expect(pauses).toEqual([120_000]);
});

it('throws any other refusal, and what the network throws', async () => {
  await expect(asking([later(null)]).ended).rejects.toMatchObject({ code: 'RELAY_BUSY' });
  await expect(asking([new Error('reset')]).ended).rejects.toThrow('reset');
});

it('ends with its signal while it stays away', async () => {
  const { ended } = asking([later(60_000)], 0, AbortSignal.abort(new Error('the link is back')));
  await expect(ended).rejects.toThrow('the link is back');
});

it.each([
  [429, '7', 7_000],
  [503, '2', 2_000],
  [500, '2', null],
  [429, 'Wed, 21 Oct 2026 07:28:00 GMT', null],
  [429, null, null],
])('an answer %i with Retry-After %s is to be asked again in %s ms', async (status, header, retryAfterMs) => {
  const headers = header === null ? {} : { 'retry-after': header };
  const reach = async () => new Response('{}', { status, headers });
  await expect(relayFetch(reach as never, new URL('http://relay.test'), {})).rejects.toMatchObject({
    retryAfterMs,
  });
});
