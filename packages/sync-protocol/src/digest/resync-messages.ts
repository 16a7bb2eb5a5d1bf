/** What a box asks the relay while it compares and repairs, with the limits of each question and answer. */
import Type from 'typebox';
import type { Row } from '../transaction/transaction.ts';
import { maxAnswerBuckets, maxBits } from './digest.ts';
import type { VersionList } from './version-list.ts';

/** Rows that one list of versions may hold; the box asks for fewer buckets at once. */
export const maxListedRows = 50_000;

/** Keys in one question. */
export const maxAskedKeys = 2_000;

/** Rows in one request for corrections. */
export const maxCorrectedRows = 500;

/** Whole rows in one answer, or in one commit of corrections, as text; a single larger row still goes. */
export const maxRowsBytes = 4 * 1024 * 1024;

/** Bytes of one question. */
export const maxQuestionBytes = 32 * 1024 * 1024;

const Name = Type.String({ minLength: 1, maxLength: 256 });
const Key = Type.Record(Type.String(), Type.String());
const WholeRow = Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()]));
const Columns = Type.Array(Name, { minItems: 1, maxItems: 1_600 });
const Bits = Type.Integer({ minimum: 0, maximum: maxBits });
const Buckets = Type.Array(Type.Integer({ minimum: 0, maximum: 2 ** maxBits - 1 }), {
  minItems: 1,
  maxItems: maxAnswerBuckets,
});
const Keys = Type.Array(Key, { minItems: 1, maxItems: maxAskedKeys });
const Within = Type.Object({ bits: Bits, buckets: Buckets });

export const DigestQuestion = Type.Object({
  table: Name,
  columns: Columns,
  bits: Bits,
  within: Type.Union([Within, Type.Null()]),
});
export const ListQuestion = Type.Object({ table: Name, columns: Columns, within: Within });
export const KeysQuestion = Type.Object({ table: Name, columns: Columns, keys: Keys });
export const HistoryQuestion = Type.Object({ table: Name, keys: Keys });
export const CorrectRequest = Type.Object({
  /** Of the run: the same row kept twice by one run is kept once. */
  resync: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  table: Name,
  rows: Type.Array(
    Type.Object({
      key: Key,
      /** The campus's row, to be kept in a conflict because the correction overwrites it; null: it has none. */
      campus: Type.Union([WholeRow, Type.Null()]),
    }),
    { minItems: 1, maxItems: maxCorrectedRows },
  ),
});

export type DigestQuestion = Type.Static<typeof DigestQuestion>;
export type ListQuestion = Type.Static<typeof ListQuestion>;
export type KeysQuestion = Type.Static<typeof KeysQuestion>;
export type HistoryQuestion = Type.Static<typeof HistoryQuestion>;
export type CorrectRequest = Type.Static<typeof CorrectRequest>;

export interface TablesAnswer {
  tables: { name: string; columns: string[] }[];
}

export interface DigestAnswer {
  /** As `encodeDigests` makes it. */
  digests: string;
  computeMs: number;
}

export interface ListAnswer {
  versions: VersionList;
  computeMs: number;
}

export interface RowsAnswer {
  /** For the first of the keys that were asked for, in their order; null where there is no such row. */
  rows: (Row | null)[];
}

export interface HistoryAnswer {
  /** For each key: the campus's feed tells that the cloud deleted it. */
  deleted: boolean[];
  /** For each key: when the cloud last wrote the row, microseconds since 1970-01-01; null: it has none, or cannot say. */
  writtenAt: (number | null)[];
}

export interface MarkAnswer {
  epoch: string;
  /** Every commit before the question is in the feed up to here. */
  feedSeq: number;
}
