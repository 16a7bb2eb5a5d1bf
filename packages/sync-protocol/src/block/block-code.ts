/**
 * A block as bytes: the length of its text, the text (JSON, compressed with zstd), and behind it the pool of UUIDs as it is.
 * The text names the CRC-32 of the pool; zstd's frame has a checksum of its own.
 */
import { promisify } from 'node:util';
import { crc32, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import type { Operation, Value } from '../transaction/transaction.ts';
import type { Block, BlockTransaction, ChangeSet, Columns } from './block.ts';
import { type ColumnCode, ColumnError, decodeColumn, encodeColumn } from './column-code.ts';
import { joinText, partText, textCompression } from './text-frame.ts';
import { UuidReader, UuidWriter } from './uuid-pool.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** A block that says it holds more values is refused: repeated ones cost it nothing, and the reader an entry each. */
export const maxBlockValues = 16_000_000;

const Integer = Type.Integer({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });
const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const TextOrNull = Type.Union([Type.String(), Type.Null()]);
const Steps = Type.Array(Type.Union([Integer, Type.Null()]));
const References = Type.Array(Type.Union([Count, Type.Null()]));
const Code = Type.Union([
  Type.Tuple([Type.Literal('c'), TextOrNull]),
  Type.Tuple([Type.Literal('k'), Count]),
  Type.Tuple([Type.Literal('u'), References]),
  Type.Tuple([
    Type.Literal('n'),
    Type.String({ maxLength: 1_000 }),
    Type.Integer({ minimum: 0, maximum: 15 }),
    Steps,
  ]),
  Type.Tuple([Type.Literal('t'), Type.String({ maxLength: 3 }), Steps]),
  Type.Tuple([Type.Literal('d'), Type.Array(TextOrNull), Type.Array(Count)]),
  Type.Tuple([Type.Literal('v'), Type.Array(TextOrNull)]),
]);
const TableName = Type.String({ minLength: 3, maxLength: 130 });
const Names = Type.Array(Type.String());
const setBase = { table: TableName, key: Type.Array(Type.String(), { minItems: 1 }), by: Type.Boolean() };
const codes = { columns: Type.Array(Code) };
const SetShape = Type.Union([
  Type.Object({ ...setBase, op: Type.Literal('insert'), before: Type.Null(), after: Names, ...codes }),
  Type.Object({ ...setBase, op: Type.Literal('update'), before: Names, after: Names, ...codes }),
  Type.Object({ ...setBase, op: Type.Literal('delete'), before: Names, after: Type.Null(), ...codes }),
]);
const Text = Compile(
  Type.Object({
    seq: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
    committedAt: Type.Array(Integer),
    /** Runs of transactions of the same boot, and how many. */
    boot: Type.Array(
      Type.Tuple([Type.Union([Type.String({ minLength: 1, maxLength: 40 }), Type.Null()]), Count]),
    ),
    /** By how much `mono` moved on since the transaction before more than `committedAt` did. */
    mono: Steps,
    more: Type.Array(Count),
    truncated: Type.Array(Type.Tuple([Count, Type.Array(TableName)])),
    changes: Type.Array(Count),
    order: Type.Array(Count),
    sets: Type.Array(SetShape),
    crc: Count,
  }),
);
type Text = Type.Static<Type.TObject> & ReturnType<typeof textOf>;

export async function encodeBlock(block: Block): Promise<Buffer> {
  const { json, pool } = written(block);
  return joinText(await compress(json, textCompression), pool);
}

/** On this thread: for a block that is on its way as soon as it is made. */
export function encodeBlockSync(block: Block): Buffer {
  const { json, pool } = written(block);
  return joinText(zstdCompressSync(json, textCompression), pool);
}

function written(block: Block): { json: Buffer; pool: Buffer } {
  const writer = new UuidWriter();
  const sets = block.sets.map((set) => setText(set, writer));
  const pool = writer.bytes();
  return { json: Buffer.from(JSON.stringify(textOf(block, sets, crc32(pool)))), pool };
}

/** A block that has been checked in all that can be said without its values. */
export interface PackedBlock {
  heads: readonly BlockTransaction[];
  /** Uncompressed bytes. */
  bytes: number;
  /** @throws ColumnError */
  unpack(): Block;
}

/**
 * @param maxBytes Uncompressed.
 * @throws ColumnError, or zlib's own error.
 */
export async function openBlock(bytes: Buffer, maxBytes: number): Promise<PackedBlock> {
  const { compressed, behind: pool } = partText(bytes);
  return checked(await decompress(compressed, { maxOutputLength: maxBytes }), pool);
}

/** On this thread. @throws like `openBlock`. */
export function openBlockSync(bytes: Buffer, maxBytes: number): PackedBlock {
  const { compressed, behind: pool } = partText(bytes);
  return checked(zstdDecompressSync(compressed, { maxOutputLength: maxBytes }), pool);
}

function checked(json: Buffer, pool: Buffer): PackedBlock {
  const text: unknown = JSON.parse(json.toString('utf8'));
  if (!Text.Check(text)) throw new ColumnError('a block has another shape');
  if (crc32(pool) !== text.crc) throw new ColumnError('the UUIDs of a block are damaged');
  const heads = headsOf(text as Text);
  return { heads, bytes: json.length + pool.length, unpack: () => unpack(text as Text, heads, pool) };
}

function textOf({ heads, order }: Block, sets: ReturnType<typeof setText>[], crc: number) {
  const committedAt = heads.map((head, i) => head.committedAt - (heads[i - 1]?.committedAt ?? 0));
  const boot: [string | null, number][] = [];
  const mono: (number | null)[] = [];
  let last: BlockTransaction | undefined;
  for (const head of heads) {
    const run = boot.at(-1);
    if (run && run[0] === (head.boot ?? null)) run[1]++;
    else boot.push([head.boot ?? null, 1]);
    mono.push(head.mono === undefined ? null : head.mono - expectedMono(last, head));
    last = head;
  }
  return {
    seq: heads[0]?.seq ?? 1,
    committedAt,
    boot,
    mono,
    more: heads.flatMap((head, i) => (head.more ? [i] : [])),
    truncated: heads.flatMap((head, i): [number, string[]][] =>
      head.truncated ? [[i, head.truncated]] : [],
    ),
    changes: heads.map((head) => head.changes),
    order: [...order],
    sets,
    crc,
  };
}

/** Both clocks run alike, unless the wall clock was set. */
function expectedMono(
  last: BlockTransaction | undefined,
  head: Pick<BlockTransaction, 'committedAt'>,
): number {
  if (last?.mono === undefined) return 0;
  const expected = last.mono + (head.committedAt - last.committedAt);
  return Number.isSafeInteger(expected) && expected >= 0 ? expected : 0;
}

function headsOf(text: Text): BlockTransaction[] {
  const { seq, committedAt, boot, mono, more, truncated, changes } = text;
  const boots = boot.flatMap(([name, count]) => new Array<string | null>(limited(count, text)).fill(name));
  const count = committedAt.length;
  if (boots.length !== count || mono.length !== count || changes.length !== count)
    throw new ColumnError('a block does not say the same of all its transactions');
  const heads: BlockTransaction[] = [];
  for (let i = 0; i < count; i++) {
    const last = heads[i - 1];
    const head: BlockTransaction = {
      seq: safe(seq + i),
      committedAt: safe((last?.committedAt ?? 0) + (committedAt[i] as number)),
      changes: changes[i] as number,
    };
    const name = boots[i];
    if (name != null) head.boot = name;
    const step = mono[i];
    if (step != null) head.mono = safe(expectedMono(last, head) + step);
    heads.push(head);
  }
  for (const index of more) at(heads, index).more = true;
  for (const [index, tables] of truncated) at(heads, index).truncated = tables;
  return heads;
}

function limited(count: number, { committedAt }: Text): number {
  if (count > committedAt.length) throw new ColumnError('a block names more boots than transactions');
  return count;
}

function at(heads: BlockTransaction[], index: number): BlockTransaction {
  const head = heads[index];
  if (!head) throw new ColumnError('a block speaks of a transaction that it does not hold');
  return head;
}

function safe(number: number): number {
  if (!Number.isSafeInteger(number) || number < 0) throw new ColumnError('a number is out of range');
  return number;
}

function setText(set: ChangeSet, pool: UuidWriter) {
  const { table, op, key, before, after, by } = set;
  const earlier: (readonly Value[])[] = [];
  const columns: ColumnCode[] = [];
  for (const values of [
    ...key.values,
    ...(before?.values ?? []),
    ...(after?.values ?? []),
    ...(by ? [by] : []),
  ]) {
    columns.push(encodeColumn(values, earlier, pool));
    earlier.push(values);
  }
  return {
    table,
    op,
    key: [...key.names],
    before: before && [...before.names],
    after: after && [...after.names],
    by: by !== null,
    columns,
  };
}

function unpack(text: Text, heads: readonly BlockTransaction[], pool: Buffer): Block {
  const sizes = text.sets.map(() => 0);
  for (const index of text.order) {
    if (index >= sizes.length) throw new ColumnError('a change belongs to a set that is not there');
    sizes[index] = (sizes[index] as number) + 1;
  }
  const changes = heads.reduce((sum, head) => sum + head.changes, 0);
  if (changes !== text.order.length)
    throw new ColumnError('a block holds another number of changes than it says');
  const values = text.sets.reduce((sum, set, i) => sum + set.columns.length * (sizes[i] as number), 0);
  if (values > maxBlockValues) throw new ColumnError(`a block holds more than ${maxBlockValues} values`);
  const reader = new UuidReader(pool);
  const sets = text.sets.map((set, i) => setFrom(set, sizes[i] as number, reader));
  return { heads, sets, order: text.order };
}

function setFrom(text: ReturnType<typeof setText>, size: number, pool: UuidReader): ChangeSet {
  const { table, op, key, before, after, by, columns } = text;
  const names = [key, before ?? [], after ?? []];
  for (const some of names) {
    if (new Set(some).size !== some.length || some.includes('__proto__'))
      throw new ColumnError('a set has names that cannot be told apart');
  }
  if (columns.length !== names.flat().length + (by ? 1 : 0))
    throw new ColumnError('a set has not as many columns as names');
  const values: (readonly Value[])[] = [];
  for (const code of columns) values.push(decodeColumn(code, size, values, pool));
  let next = 0;
  const take = (some: string[]): Columns => {
    next += some.length;
    return { names: some, values: values.slice(next - some.length, next) };
  };
  const set: ChangeSet = {
    table,
    op: op as Operation,
    size,
    key: take(key),
    before: before && take(before),
    after: after && take(after),
    by: by ? (values.at(-1) as readonly Value[]) : null,
  };
  if (set.key.values.some((column) => column.includes(null))) throw new ColumnError('a key holds NULL');
  return set;
}
