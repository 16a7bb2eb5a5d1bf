import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SealedObject } from '../format/object.ts';
import { frenchReason } from '../french/retention.ts';
import { calendar } from './calendar.ts';
import { DAY_MS, dayOf, monthOf, usualPolicy, yearsBefore } from './policy.ts';
import { planRetention, type RegionEvidence, type RetentionInput, type RetentionPlan } from './retention.ts';

const HOUR_MS = 3_600_000;
const begin = Date.parse('2027-01-01T02:00:00Z');
const at = (day: number, hour = 0) => new Date(begin + day * DAY_MS + hour * HOUR_MS);
const lsn = (position: number) =>
  `${Math.floor(position / 256).toString(16)}/${((position % 256) * 2 ** 24).toString(16)}`;

let serial = 0;
function sealed(kind: SealedObject['kind'], moment: Date, about: object = {}): SealedObject {
  serial++;
  const sealedAt = moment.toISOString();
  const name = `mvan/${kind}/${serial.toString(16).padStart(8, '0')}.zst.pgp`;
  const plain = { bytes: 1000, sha256: '' };
  return {
    name,
    kind,
    bytes: 400,
    sha256: '',
    plain,
    recipients: [],
    sealedAt,
    about,
  } as unknown as SealedObject;
}
const dump = (day: number, hour = 0) => sealed('dump', at(day, hour));
const base = (day: number, start: number, timeline = 1) =>
  sealed('base', at(day, 1), {
    systemIdentifier: '7',
    timeline,
    startLsn: lsn(start),
    stopLsn: lsn(start + 1),
  });
const wal = (day: number, start: number, timeline = 1) =>
  sealed('wal', at(day, 2), {
    systemIdentifier: '7',
    timeline,
    startLsn: lsn(start),
    endLsn: lsn(start + 1),
  });

const region = (
  name: string,
  objects: readonly SealedObject[],
  lock: Date | null = null,
): RegionEvidence => ({
  region: name,
  holds: new Map(objects.map((object) => [object.name, lock])),
});
const both = (objects: readonly SealedObject[]) => [region('paris', objects), region('douala', objects)];

function plan(
  objects: readonly SealedObject[],
  now: Date,
  other: Partial<RetentionInput> = {},
): RetentionPlan {
  const clock = { lastRunAt: null, elapsedMs: null };
  return planRetention({
    objects,
    policy: usualPolicy,
    now,
    regions: both(objects),
    proven: new Set(),
    clock,
    ...other,
  });
}
const gone = (result: RetentionPlan) =>
  result.decisions.filter(({ keep }) => !keep).map(({ object }) => object);
const daily = (days: number) => Array.from({ length: days }, (_, day) => dump(day));

describe('over twelve years of days', () => {
  /** One site's life, with retention run each day; `failing` decides which nights have no dump and which lag in a region. */
  function live(
    days: number,
    odd: (day: number) => number,
    check: (day: number, plan: RetentionPlan) => void,
  ) {
    let objects: SealedObject[] = [];
    let position = 0;
    const late = new Set<string>();
    for (let day = 0; day < days; day++) {
      if (odd(day) !== 1) objects.push(dump(day));
      const newest = objects.at(-1);
      if (odd(day) === 2 && newest?.kind === 'dump') late.add(newest.name);
      else if (day % 9 === 0) late.clear();
      if (day % 7 === 0) objects.push(base(day, position));
      objects.push(wal(day, position));
      position += 3;
      if (day % 28 === 0) objects.push(sealed('proof', at(day, 3), { drill: String(day) }));
      const douala = objects.filter(({ name }) => !late.has(name));
      const result = plan(objects, at(day, 4), {
        regions: [region('paris', objects), region('douala', douala)],
      });
      check(day, result);
      const names = new Set(gone(result).map(({ name }) => name));
      if (names.size > 0) objects = objects.filter(({ name }) => !names.has(name));
    }
    return objects;
  }

  test('each day of the last thirty, each month of the last ten years, and a base before every moment of the edge stay', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 50, maxLength: 50 }), (pattern) => {
        const days = 12 * 365;
        const dumps = new Map<number, number>();
        const odd = (day: number) => {
          const value = pattern[(day * 7) % 50] as number;
          return value === 1 || value === 2 ? value : 0;
        };
        const check = (day: number, result: RetentionPlan) => {
          if (odd(day) !== 1) dumps.set(day, at(day).getTime());
          if (day % 61 !== 0) return;
          const kept = result.decisions.filter(({ keep }) => keep).map(({ object }) => object);
          const now = at(day, 4).getTime();
          const moments = new Set(
            kept.filter(({ kind }) => kind === 'dump').map(({ sealedAt }) => Date.parse(sealedAt)),
          );
          const months = new Set([...moments].map((moment) => monthOf(moment, usualPolicy)));
          for (const moment of dumps.values()) {
            if (moment >= now - 30 * DAY_MS && !moments.has(moment))
              throw new Error(`a day of the thirty went`);
            if (
              monthOf(moment, usualPolicy) >= monthOf(yearsBefore(now, 10), usualPolicy) &&
              !months.has(monthOf(moment, usualPolicy))
            )
              throw new Error(`no archive of ${monthOf(moment, usualPolicy)}`);
          }
          if (day < 8) return;
          const edge = now - 30 * DAY_MS;
          const bases = kept.filter(({ kind }) => kind === 'base');
          const first = Math.min(...bases.map(({ sealedAt }) => Date.parse(sealedAt)));
          expect(first <= Math.max(edge, at(1).getTime())).toBe(true);
          const segments = kept
            .filter(({ kind }) => kind === 'wal')
            .map(({ sealedAt }) => Date.parse(sealedAt));
          expect(segments.filter((moment) => moment >= first)).toHaveLength(
            Math.floor((now - first) / DAY_MS) + 1,
          );
        };
        const left = live(days, odd, check);
        const count = (kind: string) => left.filter((object) => object.kind === kind).length;
        expect(count('dump')).toBeLessThan(30 + 121 + 40);
        expect(count('base')).toBeLessThan(9);
        expect(count('wal')).toBeLessThan(60);
      }),
      { numRuns: 2, seed: 20270101, endOnFailure: true },
    );
  }, 60_000);
});

test('the archive of a month is its first dump by the calendar of Douala', () => {
  const objects = daily(200);
  const archives = plan(objects, at(199, 4)).decisions.filter(({ reasons }) =>
    reasons.some((reason) => reason.startsWith('archive of')),
  );
  expect(archives.map(({ object }) => dayOf(Date.parse(object.sealedAt), usualPolicy).slice(8))).toEqual([
    '01',
    '01',
    '01',
    '01',
    '01',
    '01',
    '01',
  ]);
});

test('the order is that of the signed time: a higher timeline or a later name does not make a base newer', () => {
  const old = base(0, 10, 9);
  const young = base(60, 500, 2);
  const objects = [young, old, base(65, 600, 2), wal(65, 600, 2), ...daily(70).slice(30)];
  const names = gone(plan(objects, at(70, 4))).map(({ name }) => name);
  expect(names).toContain(old.name);
  expect(names).not.toContain(young.name);
});

test('a base of an earlier timeline that ended after the later one began is no base for it', () => {
  const before = base(0, 10);
  const abandoned = base(5, 100);
  const objects = [before, abandoned, wal(6, 50, 2), wal(50, 80, 2), base(45, 75, 2), ...daily(51)];
  const names = gone(plan(objects, at(50, 4))).map(({ name }) => name);
  expect(names).not.toContain(before.name);
  expect(names).toContain(abandoned.name);
});

test('the last dump that a drill restored stays, however old', () => {
  const objects = daily(100);
  const proven = objects[3] as SealedObject;
  const result = plan(objects, at(99, 4), { proven: new Set([proven.name]) });
  expect(gone(result)).not.toContain(proven);
  expect(gone(plan(objects, at(99, 4)))).toContain(proven);
});

test('the last base that a drill restored stays with the WAL that makes it consistent, and no more', () => {
  const proven = base(0, 10);
  const own = wal(0, 10);
  const after = wal(3, 13);
  const objects = [proven, own, after, base(40, 300), base(60, 500), wal(60, 500), ...daily(100).slice(60)];
  const result = gone(plan(objects, at(99, 4), { proven: new Set([proven.name]) }));
  expect(result).not.toContain(proven);
  expect(result).not.toContain(own);
  expect(result).toContain(after);
});

test('one region that did not answer keeps everything', () => {
  const objects = daily(100);
  const regions = [region('paris', objects), { region: 'douala', holds: null }];
  const result = plan(objects, at(99, 4), { regions });
  expect(gone(result)).toEqual([]);
  expect(result.halted).toBe('douala did not answer');
});

test('what only one region holds does not make the others superfluous', () => {
  const objects = daily(100);
  const regions = [region('paris', objects), region('douala', objects.slice(0, 60))];
  expect(gone(plan(objects, at(99, 4), { regions }))).toEqual([]);
});

test('a month whose dumps are all in one region only keeps them all', () => {
  const objects = daily(100);
  const regions = [region('paris', objects), region('douala', objects.slice(31))];
  const january = gone(plan(objects, at(99, 4), { regions })).filter(({ sealedAt }) =>
    sealedAt.startsWith('2027-01'),
  );
  expect(january).toEqual([]);
});

test('an object lock is respected', () => {
  const objects = daily(100);
  const locked = region('douala', objects, at(120));
  const result = plan(objects, at(99, 4), { regions: [region('paris', objects), locked] });
  expect(gone(result)).toEqual([]);
  expect(result.decisions[5]?.reasons.join()).toContain('locked in douala until');
});

test.each([
  ['behind the newest signed object', at(95), null, null],
  ['ahead of the newest signed object', at(140), null, null],
  ['went back', at(99, 4), at(99, 8), null],
  ['was set by', at(99, 4), at(99, 1), 20 * 60_000],
  ['past the last run', at(99, 4), at(80), null],
])('a clock gone wrong removes nothing: %s', (words, now, lastRunAt, elapsedMs) => {
  const result = plan(daily(100), now, { clock: { lastRunAt, elapsedMs } });
  expect(gone(result)).toEqual([]);
  expect(result.halted).toContain(words);
});

test('a clock that leapt by a year and sealed a dump there does not make the last thirty days too old', () => {
  const objects = [...daily(100), dump(465)];
  const kept = plan(objects, at(465, 4)).decisions.filter(({ keep }) => keep);
  const days = new Set(kept.map(({ object }) => object.sealedAt.slice(0, 10)));
  for (let day = 71; day < 100; day++) expect(days).toContain(at(day).toISOString().slice(0, 10));
});

test('the sync log outlives the longest cut', () => {
  const log = (day: number) => sealed('sync-log', at(day), { epoch: 'e', fromSeq: '1', toSeq: '2' });
  const objects = [log(0), log(20), ...daily(130)];
  expect(gone(plan(objects, at(129, 4))).map(({ kind, sealedAt }) => [kind, sealedAt])).toContainEqual([
    'sync-log',
    at(0).toISOString(),
  ]);
  expect(gone(plan(objects, at(129, 4))).filter(({ kind }) => kind === 'sync-log')).toHaveLength(1);
});

test('no objects: nothing to decide', () => {
  expect(plan([], at(0)).decisions).toEqual([]);
});

test('the calendar has one line a day, says why, and how much goes', () => {
  const text = calendar(plan(daily(40), at(39, 4)), usualPolicy);
  expect(text).toMatch(
    /^2027-02-09 +0\.0 MB {2}keep 1 dump {2}\(within 30 rolling days; archive|^2027-02-09/,
  );
  expect(text).toMatch(/2027-01-05 .*remove 1 dump {2}\(dump of 35 days ago that no rule keeps\)/);
  expect(text).toMatch(/31 objects stay, 9 may go|objects stay/);
});

test('the calendar and every reason in it are said in French too', () => {
  const decided = plan(daily(140), at(139, 4));
  const text = calendar(decided, usualPolicy, 'fr');
  expect(text).toMatch(/garde 1 dump {2}\(dans les 30 derniers jours/);
  expect(text).toMatch(/\d+ objets restent, \d+ peuvent partir/);
  const reasons = decided.decisions.flatMap((decision) => decision.reasons);
  const halted = plan(daily(3), at(400)).halted;
  for (const reason of [...reasons, ...(halted ? [halted] : [])])
    expect([reason, frenchReason(reason) !== reason]).toEqual([reason, true]);
});
