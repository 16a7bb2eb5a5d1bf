import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Change, Transaction } from '../transaction/transaction.ts';
import {
  type Batch,
  decodeBatch,
  encodeBatch,
  encodeTransaction,
  maxBatchBytes,
  transactionsIn,
  unpackedAhead,
} from './codec.ts';

const transaction = (seq: number, note = 'x'): Transaction => ({
  seq,
  committedAt: 1_700_000_000_000_000 + seq,
  changes: [
    { table: 'public.pupil', key: { id: String(seq) }, op: 'insert', before: null, after: { id: '1', note } },
  ],
});
const encode = (...transactions: Transaction[]) =>
  encodeBatch({ epoch: 'e1' }, transactions.map(encodeTransaction));
const header = '{"v":1,"epoch":"e1"}';
const pack = (...lines: string[]) => zstdCompressSync(Buffer.from(lines.join('\n')));
const malformed = expect.objectContaining({ code: 'BATCH_MALFORMED' });

describe('a batch', () => {
  it('comes out as it went in, whatever the text of its values', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('\n', '\r\n\u2028\u2029', '\u0000', '"\\', 'Ngo Bassé é ŋ', '👩🏾‍🏫', '\\x00ff', ''),
    );
    const value = fc.option(text);
    const row = fc.dictionary(fc.constantFrom('id', 'name', 'a column', 'é"'), value);
    const change = fc.oneof(
      row.map(
        (after): Change => ({ table: 'public.a', key: { id: '1' }, op: 'insert', before: null, after }),
      ),
      fc.tuple(row, row, value).map(
        ([before, after, by]): Change => ({
          table: 'public.a',
          key: { id: '' },
          op: 'update',
          before,
          after,
          by,
        }),
      ),
      row.map(
        (before): Change => ({ table: 'public.a', key: { id: '1' }, op: 'delete', before, after: null }),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(change)), fc.integer({ min: 1 }), async (all, first) => {
        const transactions = all.map((changes, i) => ({ seq: first + i, committedAt: i, changes }));
        const batch = await decodeBatch(await encode(...transactions));
        expect(batch.epoch).toBe('e1');
        expect(JSON.stringify(transactionsIn(batch))).toBe(JSON.stringify(transactions));
      }),
    );
  });

  it('may hold no transaction', async () => {
    expect(await decodeBatch(await encode())).toEqual({ epoch: 'e1', blocks: [] });
    expect(unpackedAhead(await decodeBatch(await encode()))).toEqual({ epoch: 'e1', blocks: [] });
  });

  it('whose first block was unpacked ahead is the same, and may be read again', async () => {
    const change: Change = { table: 'public.a', key: { id: '1' }, op: 'insert', before: null, after: {} };
    const sent = { seq: 1, committedAt: 1, changes: [change] };
    const batch = await decodeBatch(await encode(sent));
    let unpacked = 0;
    const [block] = batch.blocks as [Batch['blocks'][number]];
    const unpack = () => {
      unpacked++;
      return block.unpack();
    };
    const ahead = unpackedAhead({ ...batch, blocks: [{ ...block, unpack }] });
    expect([unpacked, transactionsIn(ahead), unpacked]).toEqual([1, [sent], 1]);
    expect([transactionsIn(ahead), unpacked]).toEqual([[sent], 2]);
  });
});

describe('a batch is refused whole when', () => {
  it('it is cut short at any length', async () => {
    const body = await encode(transaction(1), transaction(2), transaction(3));
    for (let length = 0; length < body.length; length++)
      await expect(decodeBatch(body.subarray(0, length)), `cut at ${length}`).rejects.toEqual(malformed);
  });

  it('any one bit of it is flipped', async () => {
    const body = await encode(transaction(1, 'a note of some length'), transaction(2, 'ånother nøte'));
    const sent = transactionsIn(await decodeBatch(body));
    for (let bit = 0; bit < body.length * 8; bit++) {
      const flipped = Buffer.from(body);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const outcome = await decodeBatch(flipped).then(transactionsIn, (error) => error);
      // A bit that says how to decompress, and not what, may make no difference.
      if (!(outcome instanceof Error)) expect(outcome, `bit ${bit}`).toEqual(sent);
      else expect(['BATCH_MALFORMED', 'BATCH_TOO_LARGE']).toContain((outcome as { code?: string }).code);
    }
  });

  it('it decompresses to more than the limit', { timeout: 30_000 }, async () => {
    const bomb = zstdCompressSync(Buffer.alloc(maxBatchBytes + 1));
    expect(bomb.length).toBeLessThan(1024 * 1024);
    await expect(decodeBatch(bomb)).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
  });

  it.each([
    ['it is not compressed', Buffer.from(header)],
    ['it is empty', Buffer.alloc(0)],
    ['its text is empty', pack('')],
    ['it speaks another version', pack('{"v":2,"epoch":"e1"}')],
    ['it names no epoch', pack('{"v":1}')],
    ['its last line is empty', pack(header, encodeTransaction(transaction(1)), '')],
    ['a seq is left out', pack(header, encodeTransaction(transaction(1)), encodeTransaction(transaction(3)))],
    ['a seq comes twice', pack(header, encodeTransaction(transaction(1)), encodeTransaction(transaction(1)))],
    ['a seq is a fraction', pack(header, '{"seq":1.5,"committedAt":0,"changes":[]}')],
    ['a seq is not exact', pack(header, '{"seq":9007199254740993,"committedAt":0,"changes":[]}')],
    ['the last of its lines is not JSON', pack(header, encodeTransaction(transaction(1)), '{"seq":2')],
  ])('%s', async (_case, body) => {
    await expect(decodeBatch(body)).rejects.toEqual(malformed);
  });

  it('bytes of any kind arrive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await expect(decodeBatch(bytes)).rejects.toEqual(malformed);
      }),
    );
  });
});
