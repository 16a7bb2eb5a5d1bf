/**
 * Digests say whether two sites hold the same rows of a table without moving the rows. A row belongs to a bucket by the low
 * bits of its key's hash, so that a bucket of `bits` bits is the union of its two sub-buckets of `bits + 1`. The digest of a
 * bucket is how many rows it has and the exclusive or of their hashes.
 *
 * Two sites compare coarse buckets first, then finer ones within those that differ (`refinement` says how much finer), and
 * at last list the rows of the buckets that still differ. Equal digests do not prove equal rows: that 128 bits agree by
 * chance is what is left. They are no defence against somebody who chooses rows so that they agree.
 */

export interface BucketDigest {
  bucket: number;
  rows: number;
  /** Two 64-bit hashes, as Postgres prints them. */
  hashes: readonly [bigint, bigint];
}

/** Which buckets of a table are meant: all of `bits`, or those within coarser ones. */
export interface BucketSet {
  bits: number;
  within: { bits: number; buckets: readonly number[] } | null;
}

/** Buckets in one answer; a larger set is asked for in parts. */
export const maxAnswerBuckets = 65_536;

/** Finer buckets than these are not made. */
export const maxBits = 24;

const recordBytes = 20;
/** What a listed row costs on the wire, about: a key of 16 bytes and a hash, compressed. */
const listedRowBytes = 40;
/** Another round over the table is worth it from this many bytes saved. */
const worthwhileBytes = 16 * 1024;
const firstMaxBits = 12;
const firstRowsPerBucket = 256;
const maxRefinement = 8;
/** A bucket with more rows is cut finer in any case: its rows would not fit into one list. */
const maxBucketRows = 10_000;

/** The buckets of a set, in the order in which an answer has them. */
export function bucketsOf({ bits, within }: BucketSet): number[] {
  if (!within) return Array.from({ length: 2 ** bits }, (_, bucket) => bucket);
  const finer = Array.from({ length: 2 ** (bits - within.bits) }, (_, i) => i * 2 ** within.bits);
  return within.buckets.flatMap((bucket) => finer.map((offset) => bucket + offset));
}

/** @param digests In any order; buckets without rows may be left out. */
export function encodeDigests(set: BucketSet, digests: readonly BucketDigest[]): string {
  const known = new Map(digests.map((digest) => [digest.bucket, digest]));
  const buckets = bucketsOf(set);
  const bytes = Buffer.alloc(buckets.length * recordBytes);
  for (const [place, bucket] of buckets.entries()) {
    const digest = known.get(bucket);
    if (!digest) continue;
    bytes.writeUInt32BE(digest.rows, place * recordBytes);
    bytes.writeBigInt64BE(digest.hashes[0], place * recordBytes + 4);
    bytes.writeBigInt64BE(digest.hashes[1], place * recordBytes + 12);
  }
  return bytes.toString('base64');
}

/** @throws RangeError when the text does not hold one digest for each bucket of the set. */
export function decodeDigests(set: BucketSet, text: string): BucketDigest[] {
  const bytes = Buffer.from(text, 'base64');
  const buckets = bucketsOf(set);
  if (bytes.length !== buckets.length * recordBytes)
    throw new RangeError(`${bytes.length} bytes of digests for ${buckets.length} buckets`);
  return buckets.map((bucket, place) => ({
    bucket,
    rows: bytes.readUInt32BE(place * recordBytes),
    hashes: [bytes.readBigInt64BE(place * recordBytes + 4), bytes.readBigInt64BE(place * recordBytes + 12)],
  }));
}

export interface DifferingBucket {
  bucket: number;
  /** Rows at the site that has more of them. */
  rows: number;
}

/** @param theirs One digest for each bucket that is compared. @param ours Buckets without rows may be left out. */
export function differingBuckets(
  ours: readonly BucketDigest[],
  theirs: readonly BucketDigest[],
): DifferingBucket[] {
  const known = new Map(ours.map((digest) => [digest.bucket, digest]));
  return theirs.flatMap((their) => {
    const our = known.get(their.bucket) ?? { rows: 0, hashes: [0n, 0n] };
    const equal =
      our.rows === their.rows && our.hashes[0] === their.hashes[0] && our.hashes[1] === their.hashes[1];
    return equal ? [] : [{ bucket: their.bucket, rows: Math.max(our.rows, their.rows) }];
  });
}

/** How fine the first comparison of a table is. */
export function firstBits(rows: number): number {
  const buckets = Math.max(1, rows / firstRowsPerBucket);
  return Math.min(firstMaxBits, Math.ceil(Math.log2(buckets)));
}

/**
 * By how many bits finer the differing buckets are best compared before their rows are listed, so that the fewest bytes
 * travel; 0: list them now.
 *
 * @param compared How many buckets were compared to find the differing ones.
 */
export function refinement(bits: number, compared: number, differing: readonly DifferingBucket[]): number {
  const rows = differing.reduce((sum, bucket) => sum + bucket.rows, 0);
  const differences = Math.min(rows, estimateDifferences(compared, differing.length));
  const largest = Math.max(1, ...differing.map((bucket) => bucket.rows));
  let best = Math.min(
    maxRefinement,
    maxBits - bits,
    Math.max(0, Math.ceil(Math.log2(largest / maxBucketRows))),
  );
  let bestBytes = best > 0 ? Number.POSITIVE_INFINITY : rows * listedRowBytes - worthwhileBytes;
  for (let finer = Math.max(1, best); finer <= Math.min(maxRefinement, maxBits - bits); finer++) {
    const buckets = differing.length * 2 ** finer;
    const listed = Math.min(rows, (Math.min(differences, buckets) * rows) / buckets);
    const bytes = buckets * recordBytes + listed * listedRowBytes;
    if (bytes < bestBytes) [best, bestBytes] = [finer, bytes];
  }
  return best;
}

/** How many differences, strewn at random over `compared` buckets, make `differing` of them differ. */
function estimateDifferences(compared: number, differing: number): number {
  if (differing >= compared) return compared === 1 ? 1 : compared * Math.log(compared + 1);
  return -compared * Math.log(1 - differing / compared);
}

/** Cuts the buckets into parts, each of at most `limit` by `weight`, but at least one bucket. */
export function partsOf<T>(items: readonly T[], limit: number, weight: (item: T) => number): T[][] {
  const parts: T[][] = [];
  let filled = Number.POSITIVE_INFINITY;
  for (const item of items) {
    if (filled + weight(item) > limit) {
      parts.push([]);
      filled = 0;
    }
    parts.at(-1)?.push(item);
    filled += weight(item);
  }
  return parts;
}
