import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, FeedEntry } from '../transaction/transaction.ts';
import { encodeFeedBlock, openFeedBlock } from './feed-block.ts';
import { groupOfEntries } from './feed-group.ts';

const value = fc.oneof(fc.uuid(), fc.string({ unit: 'grapheme' }), fc.integer().map(String));
const row = fc.record({ id: value, name: fc.option(value) });
const change = fc
  .record({
    key: value.map((id) => ({ id })),
    op: fc.constantFrom('insert', 'update', 'delete'),
    rows: fc.tuple(row, row),
    moved: fc.boolean(),
  })
  .map(({ key, op, rows, moved }): Change => {
    const [before, after] = [op === 'insert' ? null : rows[0], op === 'delete' ? null : rows[1]];
    const base = { table: 'public.pupil', key, op: op as Change['op'], before, after };
    return moved && op !== 'update' ? { ...base, moved } : base;
  });
const correction = fc.record({
  table: fc.constant('public.pupil'),
  key: value.map((id) => ({ id })),
  row: fc.option(row),
});
const entries = fc
  .tuple(
    fc.integer({ min: 1, max: 1e9 }),
    fc.array(
      fc.record(
        {
          stamp: fc.record({ epoch: fc.constantFrom('', 'log-1', 'log-2'), seq: fc.nat(1_000) }),
          committedAt: fc.nat(Number.MAX_SAFE_INTEGER),
          lsn: fc.nat(Number.MAX_SAFE_INTEGER),
          more: fc.constant(true),
          changes: fc.array(change, { maxLength: 4 }),
          corrections: fc.oneof(
            { weight: 5, arbitrary: fc.constant([]) },
            fc.array(correction, { maxLength: 2 }),
          ),
        },
        { requiredKeys: ['stamp', 'committedAt', 'lsn', 'changes', 'corrections'] },
      ),
      { minLength: 1, maxLength: 12 },
    ),
  )
  .map(([first, some]) =>
    some.map((one, index) => ({ epoch: 'cloud-1', seq: first + index, ...one }) as FeedEntry),
  );

describe('a feed block', () => {
  it('gives back its entries exactly', () => {
    fc.assert(
      fc.property(entries, (sent) => {
        const group = openFeedBlock(encodeFeedBlock(sent));
        expect(group.entries()).toEqual(sent);
        expect(group.heads).toEqual(sent.map(({ changes: _, corrections: __, ...head }) => head));
        expect(group.block() === null).toBe(groupOfEntries(sent).block() === null);
      }),
      { numRuns: 300 },
    );
  });

  it('that is spoilt or cut short anywhere is refused with a code, or says the same', () => {
    const [sent = []] = fc.sample(entries, { numRuns: 1, seed: 7 });
    const bytes = encodeFeedBlock(sent);
    for (let at = 0; at < bytes.length; at++) {
      const spoilt = Buffer.from(bytes);
      spoilt[at] = (spoilt[at] as number) ^ 0x11;
      for (const wrong of [spoilt, bytes.subarray(0, at)]) {
        try {
          expect(openFeedBlock(wrong).entries()).toEqual(sent);
        } catch (error) {
          expect(error).toMatchObject({ code: 'BATCH_MALFORMED' });
        }
      }
    }
  });
});
