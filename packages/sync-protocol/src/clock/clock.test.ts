import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeTransaction } from '../codec/codec.ts';
import { type BootTime, bootsNamed, commitTime, isCertain } from './clock.ts';

const year = 31_557_600_000_000;
const receivedAt = 56 * year;
const us = fc.integer({ min: 0, max: 60 * year });
const bootTime: fc.Arbitrary<BootTime> = fc.record({
  base: fc.option(us),
  earliest: us,
  latest: fc.option(us),
});
const sent = fc.record({
  committedAt: us,
  boot: fc.constantFrom('a', 'b', 'constructor', '__proto__'),
  mono: us,
});

describe('the time of a commit', () => {
  it('is never later than the receiver’s now, and lies within its own bounds', () => {
    fc.assert(
      fc.property(sent, fc.dictionary(fc.constantFrom('a', 'b'), bootTime), us, (transaction, boots, now) => {
        for (const dated of [transaction, { committedAt: transaction.committedAt }]) {
          const { at, earliest, latest } = commitTime(dated, boots, now);
          expect(0 <= earliest && earliest <= at && at <= latest && latest <= now).toBe(true);
        }
      }),
    );
  });

  it('does not depend on the wall clock once the boot is measured', () => {
    fc.assert(
      fc.property(us, us, us, us, (base, mono, committedAt, other) => {
        const boots = { a: { base, earliest: base, latest: base } };
        const time = commitTime({ committedAt, boot: 'a', mono }, boots, receivedAt);
        expect(time).toEqual(commitTime({ committedAt: other, boot: 'a', mono }, boots, receivedAt));
        expect(isCertain(time)).toBe(true);
        expect(time.at).toBe(Math.min(base + mono, receivedAt));
      }),
    );
  });

  it('keeps the order in which one boot committed', () => {
    fc.assert(
      fc.property(bootTime, us, us, us, us, (time, first, second, wall, otherWall) => {
        const [earlier, later] = [Math.min(first, second), Math.max(first, second)];
        const dated = (mono: number, committedAt: number) =>
          commitTime({ committedAt, boot: 'a', mono }, { a: time }, receivedAt);
        const [one, two] = [dated(earlier, wall), dated(later, otherWall)];
        expect(one.earliest).toBeLessThanOrEqual(two.earliest);
        expect(one.latest).toBeLessThanOrEqual(two.latest);
        if (time.base !== null) expect(one.at).toBeLessThanOrEqual(two.at);
      }),
    );
  });

  it('contains the true one, if the bounds of the boot do', () => {
    fc.assert(
      fc.property(us, us, us, us, us, fc.boolean(), (base, mono, before, after, committedAt, measured) => {
        const now = base + mono + after;
        const boots = {
          a: { base: measured ? base : null, earliest: Math.max(0, base - before), latest: base + after },
        };
        const { earliest, latest } = commitTime({ committedAt, boot: 'a', mono }, boots, now);
        expect(earliest <= base + mono && base + mono <= latest).toBe(true);
      }),
    );
  });

  it('is believed as it stands when the sender knows no boots, but not in the future', () => {
    const at = (committedAt: number) => commitTime({ committedAt }, {}, receivedAt);
    expect(at(7)).toEqual({ at: 7, earliest: 7, latest: 7 });
    expect(at(receivedAt + 1)).toEqual({ at: receivedAt, earliest: receivedAt, latest: receivedAt });
  });

  it('can be any when nothing is said of the boot, whatever the boot is called', () => {
    for (const boot of ['a', 'constructor', '__proto__']) {
      expect(commitTime({ committedAt: 7, boot, mono: 5 }, {}, receivedAt)).toEqual({
        at: 7,
        earliest: 0,
        latest: receivedAt,
      });
    }
  });

  it('is guessed from the wall clock within the bounds of a boot that was never measured', () => {
    const boots = { a: { base: null, earliest: 1_000, latest: 2_000 } };
    const at = (committedAt: number) => commitTime({ committedAt, boot: 'a', mono: 10 }, boots, receivedAt);
    expect(at(1_500)).toEqual({ at: 1_500, earliest: 1_010, latest: 2_010 });
    expect(at(0).at).toBe(1_010);
    expect(at(receivedAt).at).toBe(2_010);
  });
});

describe('the boots that lines name', () => {
  it('are those of the transactions, not what a row holds under that name', () => {
    const changes = [
      {
        table: 'public.a',
        key: { boot: 'key' },
        op: 'insert' as const,
        before: null,
        after: { boot: 'row', note: '"boot":"text"' },
      },
    ];
    const line = (boot?: string) =>
      encodeTransaction({ seq: 1, committedAt: 2, ...(boot && { boot, mono: 3 }), changes });
    expect(bootsNamed([line('a.1'), line(), line('b.1'), line('a.1')])).toEqual(new Set(['a.1', 'b.1']));
  });
});
