import { expect, test } from 'vitest';
import {
  type BucketDigest,
  bucketsOf,
  decodeDigests,
  differingBuckets,
  encodeDigests,
  firstBits,
  partsOf,
  refinement,
} from './digest.ts';

const digest = (bucket: number, rows: number, hash: bigint): BucketDigest => ({
  bucket,
  rows,
  hashes: [hash, -hash],
});

test('a bucket is the union of its finer buckets', () => {
  const finer = bucketsOf({ bits: 5, within: { bits: 3, buckets: [1, 6] } });
  expect(finer).toEqual([1, 9, 17, 25, 6, 14, 22, 30]);
  expect(finer.map((bucket) => bucket % 8)).toEqual([1, 1, 1, 1, 6, 6, 6, 6]);
  expect(bucketsOf({ bits: 0, within: null })).toEqual([0]);
});

test('digests come out of an answer as they went in, and buckets without rows are there', () => {
  const set = { bits: 2, within: null };
  const hash = -(2n ** 63n);
  const text = encodeDigests(set, [
    { bucket: 3, rows: 4_000_000_000, hashes: [hash, 2n ** 63n - 1n] },
    digest(0, 1, 5n),
  ]);
  expect(decodeDigests(set, text)).toEqual([
    digest(0, 1, 5n),
    digest(1, 0, 0n),
    digest(2, 0, 0n),
    { bucket: 3, rows: 4_000_000_000, hashes: [hash, 2n ** 63n - 1n] },
  ]);
  expect(() => decodeDigests({ bits: 3, within: null }, text)).toThrow(RangeError);
});

test('a bucket differs by its count, by either hash, and when one side has nothing in it', () => {
  const theirs = [digest(0, 1, 5n), digest(1, 2, 5n), digest(2, 1, 5n), digest(3, 0, 0n), digest(4, 3, 1n)];
  const ours: BucketDigest[] = [
    digest(0, 1, 5n),
    digest(1, 1, 5n),
    { bucket: 2, rows: 1, hashes: [5n, 5n] },
    digest(5, 1, 1n),
  ];
  expect(differingBuckets(ours, theirs)).toEqual([
    { bucket: 1, rows: 2 },
    { bucket: 2, rows: 1 },
    { bucket: 4, rows: 3 },
  ]);
});

test('small tables are listed at once, large ones are cut first, never finer than the limit', () => {
  expect([0, 1, 256, 257, 70_000, 1_000_000, 10 ** 9].map(firstBits)).toEqual([0, 0, 0, 1, 9, 12, 12]);
});

test('few differences are listed, many are cut finer, and all different is not cut at all', () => {
  const buckets = (count: number, rows: number) =>
    Array.from({ length: count }, (_, bucket) => ({ bucket, rows }));
  expect(refinement(0, 1, buckets(1, 10))).toBe(0);
  expect(refinement(12, 4096, buckets(5, 250))).toBeGreaterThan(0);
  expect(refinement(12, 4096, buckets(885, 250))).toBeGreaterThan(2);
  expect(refinement(12, 4096, buckets(4096, 1))).toBe(0);
  expect(refinement(24, 2 ** 24, buckets(5, 10_000))).toBe(0);
});

test('parts keep to their limit, and one that is too large goes alone', () => {
  expect(partsOf([1, 2, 3, 9, 1], 4, (item) => item)).toEqual([[1, 2], [3], [9], [1]]);
  expect(partsOf([], 4, () => 1)).toEqual([]);
});
