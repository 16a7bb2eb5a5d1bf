import { describe, expect, test } from 'vitest';
import { linkStates } from '../link/states.ts';
import { afterFailure, isRepeatable, siteFor } from './route.ts';

describe('which site serves', () => {
  const ready = { boxReady: true };
  test('fallback: the cloud while the link is good or only suspect, the box otherwise', () => {
    const sites = linkStates.map((state) => siteFor({ state, policy: 'fallback', ...ready }));
    expect(sites).toEqual(['cloud', 'cloud', 'box', 'box', 'box']);
  });

  test('local-first: always the box', () => {
    const sites = linkStates.map((state) => siteFor({ state, policy: 'local-first', ...ready }));
    expect(sites).toEqual(['box', 'box', 'box', 'box', 'box']);
  });

  test('a box without data never serves', () => {
    for (const policy of ['fallback', 'local-first'] as const) {
      const sites = linkStates.map((state) => siteFor({ state, policy, boxReady: false }));
      expect(sites).toEqual(['cloud', 'cloud', null, 'cloud', 'cloud']);
    }
  });
});

describe('what may be repeated', () => {
  const write = { read: false, keyed: false, sendable: true, sent: true };
  test.each([
    ['a read', { ...write, read: true }, true],
    ['a keyed write', { ...write, keyed: true }, true],
    ['a write of which nothing was sent', { ...write, sent: false }, true],
    ['a write without a key', write, false],
    ['a keyed write whose body is gone', { ...write, keyed: true, sendable: false }, false],
  ])('%s: %o', (_, request, expected) => {
    expect(isRepeatable(request)).toBe(expected);
  });

  test('after a failure of the box nothing is sent anywhere: unknown if it may have been done, else unreachable', () => {
    expect(afterFailure('box', { ...write, keyed: true }, true)).toEqual({ answer: 'OUTCOME_UNKNOWN' });
    expect(afterFailure('box', { ...write, sent: false }, true)).toEqual({ answer: 'BOX_APP_UNREACHABLE' });
    expect(afterFailure('box', { ...write, read: true }, true)).toEqual({ answer: 'BOX_APP_UNREACHABLE' });
  });

  test('after a failure of the cloud the box does it only when that is safe and it holds the data', () => {
    expect(afterFailure('cloud', { ...write, keyed: true }, true)).toEqual({ to: 'box' });
    expect(afterFailure('cloud', write, true)).toEqual({ answer: 'OUTCOME_UNKNOWN' });
    expect(afterFailure('cloud', { ...write, keyed: true }, false)).toEqual({ answer: 'OUTCOME_UNKNOWN' });
    expect(afterFailure('cloud', { ...write, read: true }, false)).toEqual({
      answer: 'CLOUD_APP_UNREACHABLE',
    });
  });
});
