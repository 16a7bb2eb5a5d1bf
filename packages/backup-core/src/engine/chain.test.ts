import { expect, test } from 'vitest';
import type { WalPlace } from '../spool/live-index.ts';
import { sealedBase } from '../spool/spool.fixture.ts';
import { chainFrom } from './chain.ts';
import { CommitWatch } from './commit-watch.ts';
import { proveRegion, rpoMs } from './rpo.ts';

const segment = 0x1000000;

function wal(numbers: number[], timeline = 1, system = '7'): WalPlace[] {
  return numbers.map((number) => ({
    name: `${timeline}-${number}`,
    system,
    timeline,
    start: number * segment,
    end: (number + 1) * segment,
    closedAt: number * 60_000,
  }));
}

const base = sealedBase(3, 0);
const from = (places: WalPlace[]) => chainFrom(base.about, places);

test('segments without a gap reach from the base to the last', () => {
  expect(from(wal([2, 3, 4, 5]))).toMatchObject({ last: { name: '1-5' }, gap: null });
});

test('a missing segment is a gap, and what comes behind it counts for nothing', () => {
  expect(from(wal([3, 4, 6, 7]))).toMatchObject({ last: { name: '1-4' }, gap: { next: { name: '1-6' } } });
  expect(from(wal([4, 5]))).toMatchObject({ last: null, gap: { next: { name: '1-4' } } });
  expect(from([])).toEqual({ last: null, gap: null });
});

test('a segment that is there twice is no gap', () => {
  expect(from(wal([3, 4, 4, 5]))).toMatchObject({ last: { name: '1-5' }, gap: null });
});

test('the chain goes on with the timeline that begins where it is, not with the one that was left', () => {
  const places = [...wal([3, 4, 5, 6]), ...wal([5, 6, 7], 2)];
  expect(from(places)).toMatchObject({ last: { name: '2-7' }, gap: null });
  const late = { ...base.about, startLsn: '0/6000000', stopLsn: '0/6000000' };
  expect(chainFrom(late, places)).toMatchObject({ last: { name: '1-6' } });
});

test('WAL of another server does not count', () => {
  expect(from(wal([3, 4], 1, '8'))).toEqual({ last: null, gap: null });
});

test('the region that is furthest behind says how much would be lost', () => {
  const never = () => null;
  const paris = proveRegion('paris', { bases: [base], wal: wal([3, 4, 5]) }, never);
  const douala = proveRegion('douala', { bases: [base], wal: wal([3]) }, never);
  expect(rpoMs([paris, douala], 6 * 60_000)).toBe(3 * 60_000);
  const empty = proveRegion('douala', { bases: [], wal: wal([3]) }, never);
  expect(rpoMs([paris, empty], 6 * 60_000)).toBeNull();
});

test('a server on which nothing is committed loses nothing, however old its last segment', () => {
  const watch = new CommitWatch();
  const end = 6 * segment;
  watch.saw({ at: 1, place: end - 100, snapshot: '700:700:' });
  watch.saw({ at: 900_000, place: end + 40, snapshot: '700:700:' });
  expect(watch.coveredUntil(end)).toBe(900_000);
  expect(watch.coveredUntil(end - segment)).toBeNull();
  watch.saw({ at: 900_001, place: end + 80, snapshot: '700:701:700' });
  expect(watch.coveredUntil(end)).toBeNull();
  watch.saw({ at: 900_002, place: end + 200, snapshot: '701:701:' });
  expect(watch.coveredUntil(end)).toBeNull();
  expect(watch.coveredUntil(end + 200)).toBe(900_002);
});
