import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Admission, type Visit } from './admission.ts';
import type { AdmissionLimits } from './limits.ts';

const limits: AdmissionLimits = {
  working: 1,
  perCampus: 2,
  guests: 3,
  bodyBytes: 1_000,
  waitMs: 20_000,
  maxRetryAfterSeconds: 60,
};
const busy = (seconds?: number) =>
  expect.objectContaining({
    code: 'RELAY_BUSY',
    status: 429,
    details: { retryAfterSeconds: seconds ?? expect.any(Number) },
  });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function open(changed: Partial<AdmissionLimits> = {}) {
  const admission = new Admission({ limits: { ...limits, ...changed }, monotonicMs: () => Date.now() });
  const turns: string[] = [];
  const later: string[] = [];
  const enter = (campus: string, bytes = 10): Visit => {
    const visit = admission.enter(campus, bytes);
    visit.turn().then(
      () => turns.push(campus),
      () => later.push(campus),
    );
    return visit;
  };
  return { admission, enter, turns, later };
}

const settled = () => vi.advanceTimersByTimeAsync(0);

describe('whose turn it is', () => {
  it('works on as many at once as it may, and on the next one when one leaves', async () => {
    const { enter, turns } = open({ working: 2 });
    const first = enter('a');
    enter('b');
    enter('c');
    await settled();
    expect(turns).toEqual(['a', 'b']);
    first.leave();
    await settled();
    expect(turns).toEqual(['a', 'b', 'c']);
  });

  it('lets a campus that has much to say wait behind all others after each batch', async () => {
    const { enter, turns } = open();
    const first = enter('much');
    const second = enter('b');
    await settled();
    first.leave();
    const third = enter('much');
    enter('c');
    await settled();
    second.leave();
    await settled();
    third.leave();
    await settled();
    expect(turns).toEqual(['much', 'b', 'much', 'c']);
  });

  it('gives no turn to a body that has not come whole, and lets others pass it', async () => {
    const { admission, enter, turns } = open();
    const slow = admission.enter('slow', 10);
    const quick = enter('quick');
    await settled();
    expect(turns).toEqual(['quick']);
    void slow.turn().then(() => turns.push('slow'));
    quick.leave();
    await settled();
    expect(turns).toEqual(['quick', 'slow']);
  });

  it('goes past a campus whose connection ended while it waited', async () => {
    const { enter, turns } = open();
    const first = enter('a');
    const gone = enter('b');
    enter('c');
    gone.leave();
    gone.leave();
    first.leave();
    await settled();
    expect(turns).toEqual(['a', 'c']);
  });

  it('takes a campus that sends anew in place of its requests that wait, when it has as many as it may', async () => {
    const { enter, turns, later } = open({ guests: 5 });
    const first = enter('a');
    enter('b');
    enter('b');
    enter('c');
    await settled();
    expect(later).toEqual([]);
    enter('b');
    await settled();
    expect(later).toEqual(['b', 'b']);
    first.leave();
    await settled();
    expect(turns).toEqual(['a', 'b']);
  });

  it('gives no turn to a batch before the one of the same campus that began to arrive earlier', async () => {
    const { admission, enter, turns } = open({ working: 2 });
    const earlier = admission.enter('a', 10);
    enter('a');
    enter('b');
    await settled();
    expect(turns).toEqual(['b']);
    earlier.turn().then(() => turns.push('a, earlier'));
    await settled();
    expect(turns).toEqual(['b', 'a, earlier']);
    earlier.leave();
    await settled();
    expect(turns).toEqual(['b', 'a, earlier', 'a']);
  });
});

describe('who is told to come again', () => {
  it('is whoever comes when the house is full', () => {
    const { enter } = open();
    for (const campus of ['a', 'b', 'c']) enter(campus);
    expect(() => enter('d')).toThrow(busy());
  });

  it('is whoever brings more than there is memory for, but not one that is alone', async () => {
    const { enter } = open();
    const large = enter('large', 5_000);
    expect(() => enter('small')).toThrow(busy());
    large.leave();
    await vi.advanceTimersByTimeAsync(1_000);
    enter('small', 600);
    expect(() => enter('b', 500)).toThrow(busy());
  });

  it('is whoever has waited for too long', async () => {
    const { enter, turns, later } = open();
    enter('a');
    enter('b');
    await vi.advanceTimersByTimeAsync(limits.waitMs);
    expect([turns, later]).toEqual([['a'], ['b']]);
  });

  it('is the youngest that waits when one comes back who has asked for longer', async () => {
    const { enter, turns, later } = open();
    const first = enter('a');
    enter('b');
    enter('c');
    expect(() => enter('d')).toThrow(busy());
    first.leave();
    enter('e');
    await vi.advanceTimersByTimeAsync(1_000);
    enter('d');
    await settled();
    expect(later).toEqual(['e']);
    expect(turns).toEqual(['a', 'b']);
  });

  it('is with a batch whatever its campus has sent behind it, until it was to come again', async () => {
    const { enter, turns } = open();
    const first = enter('a');
    enter('b');
    enter('c');
    expect(() => enter('d')).toThrow(busy(1));
    first.leave();
    await vi.advanceTimersByTimeAsync(400);
    expect(() => enter('d')).toThrow(busy(1));
    await vi.advanceTimersByTimeAsync(600);
    enter('d');
    expect(turns).toEqual(['a', 'b']);
  });

  it('is of one campus the batch that it sent last', async () => {
    const { admission, enter } = open({ guests: 3, perCampus: 3 });
    const first = enter('a');
    const second = enter('a');
    enter('a');
    expect(() => enter('old')).toThrow(busy());
    first.leave();
    second.leave();
    await settled();
    const later: string[] = [];
    for (const name of ['first', 'second'])
      admission
        .enter('b', 10)
        .turn()
        .catch(() => later.push(name));
    await vi.advanceTimersByTimeAsync(1_000);
    enter('old');
    await settled();
    expect(later).toEqual(['second']);
  });

  it('is a campus with all that waits of it when its first batch has waited for too long', async () => {
    const { admission, enter, turns } = open();
    const first = enter('a');
    const later: string[] = [];
    for (const name of ['first', 'second']) {
      admission
        .enter('b', 10)
        .turn()
        .catch(() => later.push(name));
      await vi.advanceTimersByTimeAsync(limits.waitMs / 2);
    }
    first.leave();
    await settled();
    expect(later).toEqual(['second', 'first']);
    expect(turns).toEqual(['a']);
  });

  it('is nobody who went by itself: it comes back as soon as it likes', async () => {
    const { enter, turns } = open();
    const first = enter('a');
    enter('b').leave();
    enter('b');
    first.leave();
    await settled();
    expect(turns).toEqual(['a', 'b']);
  });

  it('is nobody who is worked on or whose body arrives', () => {
    const { admission, enter } = open({ guests: 2 });
    const before = [enter('a'), enter('b')];
    expect(() => enter('c')).toThrow(busy());
    for (const visit of before) visit.leave();
    enter('works');
    admission.enter('arrives', 10);
    expect(() => enter('c')).toThrow(busy());
  });
});

describe('when to come again', () => {
  it('is half of the time until its turn, by the pace and by how many come before, and never more than the limit', async () => {
    const { enter } = open();
    let working = enter('a0');
    for (let n = 1; n <= 60; n++) {
      const next = enter(`a${n}`);
      await vi.advanceTimersByTimeAsync(4_000);
      working.leave();
      working = next;
    }
    enter('b');
    enter('c');
    expect(() => enter('d')).toThrow(busy(6));
    expect(() => enter('e')).toThrow(busy(8));
    for (let n = 0; n < 30; n++) expect(() => enter(`f${n}`)).toThrow(busy());
    expect(() => enter('z')).toThrow(busy(limits.maxRetryAfterSeconds));
  });

  it('a place is kept for twice the longest time, and lost then', async () => {
    const { enter, later } = open();
    enter('a');
    enter('b');
    enter('c');
    expect(() => enter('d')).toThrow(busy());
    await vi.advanceTimersByTimeAsync(2 * limits.maxRetryAfterSeconds * 1_000 + 1);
    expect(later).toEqual(['b', 'c']);
    enter('e');
    enter('f');
    expect(() => enter('d')).toThrow(busy());
    await settled();
    expect(later).toEqual(['b', 'c']);
  });
});
