/**
 * A feed block: consecutive entries of one feed and one epoch as bytes. The length of its text, the text (JSON, compressed
 * with zstd) with what a transaction of a batch does not have, and behind it a block of what the entries change.
 */
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { toBlock } from '../block/block.ts';
import { encodeBlockSync, openBlockSync } from '../block/block-code.ts';
import { ColumnError } from '../block/column-code.ts';
import { joinText, partText, textCompression } from '../block/text-frame.ts';
import { SyncError } from '../errors.ts';
import type { FeedEntry, Stamp, Transaction } from '../transaction/transaction.ts';
import { type Apart, type FeedGroup, type FeedHead, fitsBlock, groupOfBlock } from './feed-group.ts';

/** A feed block that decompresses to more than this is refused. */
export const maxFeedBlockBytes = 256 * 1024 * 1024;

const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Integer = Type.Integer({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
const Row = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]));
const Item = {
  table: Type.String({ minLength: 3, maxLength: 130 }),
  key: Type.Record(Type.String(), Type.String(), { minProperties: 1 }),
};
const changeBase = {
  ...Item,
  moved: Type.Optional(Type.Boolean()),
  by: Type.Optional(Type.Union([Type.String(), Type.Null()])),
};
const ChangeShape = Type.Union([
  Type.Object({ ...changeBase, op: Type.Literal('insert'), before: Type.Null(), after: Row }),
  Type.Object({ ...changeBase, op: Type.Literal('update'), before: Row, after: Row }),
  Type.Object({ ...changeBase, op: Type.Literal('delete'), before: Row, after: Type.Null() }),
]);
const Text = Compile(
  Type.Object({
    v: Type.Literal(1),
    epoch: Type.String({ minLength: 1, maxLength: 64 }),
    /** Runs of entries with the same stamp: its epoch, its seq, and how many. */
    stamps: Type.Array(Type.Tuple([Type.String({ maxLength: 64 }), Count, Count])),
    /** As differences. */
    lsn: Type.Array(Integer),
    /** Entries whose changes and corrections do not stand in the block. */
    apart: Type.Array(
      Type.Tuple([
        Count,
        Type.Array(ChangeShape),
        Type.Array(Type.Object({ ...Item, row: Type.Union([Row, Type.Null()]) })),
      ]),
    ),
  }),
);

type ApartText = [index: number, Apart['changes'], Apart['corrections']];

interface FeedText {
  v: 1;
  epoch: string;
  stamps: [epoch: string, seq: number, count: number][];
  lsn: number[];
  apart: ApartText[];
}

/** @param entries At least one; of one epoch, in order of seq, none left out. */
export function encodeFeedBlock(entries: readonly FeedEntry[]): Buffer {
  const apart: ApartText[] = [];
  const transactions = entries.map((entry, index): Transaction => {
    const { seq, committedAt, more, changes, corrections } = entry;
    const fits = fitsBlock(entry);
    if (!fits) apart.push([index, changes, corrections]);
    return { seq, committedAt, ...(more && { more }), changes: fits ? changes : [] };
  });
  const text: FeedText = {
    v: 1,
    epoch: entries[0]?.epoch ?? '',
    stamps: stampRuns(entries),
    lsn: entries.map(({ lsn }, index) => lsn - (entries[index - 1]?.lsn ?? 0)),
    apart,
  };
  const compressed = zstdCompressSync(Buffer.from(JSON.stringify(text)), textCompression);
  return joinText(compressed, encodeBlockSync(toBlock(transactions)));
}

/** @throws SyncError BATCH_MALFORMED: what is no feed block, or was damaged on its way. */
export function openFeedBlock(bytes: Buffer): FeedGroup {
  try {
    return open(bytes);
  } catch (cause) {
    throw new SyncError('BATCH_MALFORMED', 'A block of the feed is damaged.', { cause });
  }
}

function open(bytes: Buffer): FeedGroup {
  const { compressed, behind } = partText(bytes);
  const json = zstdDecompressSync(compressed, { maxOutputLength: maxFeedBlockBytes });
  const text: unknown = JSON.parse(json.toString('utf8'));
  if (!Text.Check(text)) throw new ColumnError('a feed block has another shape');
  const { epoch, stamps, lsn, apart } = text as FeedText;
  const packed = openBlockSync(behind, maxFeedBlockBytes);
  const count = packed.heads.length;
  const stampOf = stampsOf(stamps, count);
  if (count === 0 || lsn.length !== count)
    throw new ColumnError('a feed block does not say the same of all its entries');
  let position = 0;
  const heads = packed.heads.map(({ seq, committedAt, more }, index): FeedHead => {
    position += lsn[index] as number;
    if (!Number.isSafeInteger(position) || position < 0) throw new ColumnError('a number is out of range');
    const stamp = stampOf[index] as Stamp;
    return { epoch, seq, stamp, committedAt, lsn: position, ...(more && { more }) };
  });
  const set = new Map(apart.map(([index, changes, corrections]) => [index, { changes, corrections }]));
  for (const index of set.keys()) {
    if (packed.heads[index]?.changes !== 0)
      throw new ColumnError('a feed block says twice what an entry holds, or of one that is not there');
  }
  return groupOfBlock(heads, packed.unpack(), set);
}

function stampRuns(entries: readonly FeedEntry[]): FeedText['stamps'] {
  const runs: FeedText['stamps'] = [];
  for (const { stamp } of entries) {
    const run = runs.at(-1);
    if (run && run[0] === stamp.epoch && run[1] === stamp.seq) run[2]++;
    else runs.push([stamp.epoch, stamp.seq, 1]);
  }
  return runs;
}

function stampsOf(runs: FeedText['stamps'], count: number): Stamp[] {
  // Before anything is made of them: a run of many costs nothing to write.
  if (runs.reduce((sum, [, , entries]) => sum + entries, 0) !== count)
    throw new ColumnError('a feed block has not as many stamps as entries');
  return runs.flatMap(([epoch, seq, entries]) => new Array<Stamp>(entries).fill({ epoch, seq }));
}
