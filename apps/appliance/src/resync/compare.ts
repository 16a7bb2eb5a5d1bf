/**
 * Finds the rows of a table that the sites do not have alike: digests of buckets, finer ones within those that differ, the
 * versions of the rows of what still differs, and then a second look.
 *
 * Both sites keep working meanwhile, so at first many rows look different only because a change is on its way. The second
 * look comes after a barrier: all that was committed on either side before it has arrived at the other. A row that still
 * differs then, and that neither side has written in between, has nothing on its way: it is a true difference.
 */
import {
  type BucketDigest,
  bucketsOf,
  type DifferingBucket,
  type DigestSource,
  decodeDigests,
  decodeVersions,
  differingBuckets,
  digestRows,
  firstBits,
  listVersions,
  maxAnswerBuckets,
  maxAskedKeys,
  maxListedRows,
  partsOf,
  quoteTable,
  type Row,
  type RowVersion,
  readVersions,
  refinement,
  rowId,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import type { Difference, SharedTable } from './difference.ts';
import type { ResyncRelay } from './resync-relay.ts';

export interface CompareContext {
  database: Pick<ClientBase, 'query'>;
  relay: ResyncRelay;
  /** Resolves when every commit before the call, on either side, has arrived at the other. */
  barrier(signal: AbortSignal): Promise<void>;
  /** Rows of feed entries that are parked here: they differ for a reason, and not for ever. */
  waitingRows(): Promise<ReadonlySet<string>>;
}

/** Both sides may grow between a digest and a list, so a list is asked for that would fill half an answer. */
const listedAtOnce = maxListedRows / 2;

export async function countRows(database: CompareContext['database'], table: Table): Promise<number> {
  const { rows } = await database.query<{ count: string }>(
    `SELECT count(*) AS count FROM ${quoteTable(table.name)}`,
  );
  return Number(rows[0]?.count ?? 0);
}

/** Rows of the table that differ, part by part; each part is true at the end of its own second look. */
export async function* differencesOf(
  context: CompareContext,
  shared: SharedTable,
  rows: number,
  signal: AbortSignal,
): AsyncGenerator<Difference[], void, void> {
  const { bits, differing } = await differingWithin(context, shared, firstBits(rows), signal);
  const parts = partsOf(differing, listedAtOnce, (bucket) => bucket.rows);
  for (const part of parts) {
    const within = { bits, buckets: part.map(({ bucket }) => bucket) };
    const { table, columns } = shared;
    const [ours, answer] = await Promise.all([
      listVersions(context.database, sourceOf(shared), within, Number.MAX_SAFE_INTEGER),
      context.relay.list({ table: table.name, columns: [...columns], within }, signal),
    ]);
    const candidates = compareVersions(table, ours, decodeVersions(answer.versions));
    yield await confirmed(context, shared, candidates, signal);
  }
}

/** The rows with these keys, as far as they differ. */
export async function differencesAt(
  context: CompareContext,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<Difference[]> {
  const candidates: Difference[] = [];
  for (const part of inParts(keys, maxAskedKeys))
    candidates.push(...(await lookAt(context, shared, part, signal)));
  return confirmed(context, shared, candidates, signal);
}

async function differingWithin(
  context: CompareContext,
  shared: SharedTable,
  firstBitsHere: number,
  signal: AbortSignal,
): Promise<{ bits: number; differing: DifferingBucket[] }> {
  let bits = firstBitsHere;
  let compared = 2 ** bits;
  let differing = await compareBuckets(context, shared, bits, null, signal);
  for (;;) {
    const finer = differing.length === 0 ? 0 : refinement(bits, compared, differing);
    if (finer === 0) return { bits, differing };
    const parents = differing.map(({ bucket }) => bucket);
    differing = [];
    for (const part of inParts(parents, Math.max(1, maxAnswerBuckets / 2 ** finer))) {
      const within = { bits, buckets: part };
      differing.push(...(await compareBuckets(context, shared, bits + finer, within, signal)));
    }
    compared = parents.length * 2 ** finer;
    bits += finer;
  }
}

async function compareBuckets(
  { database, relay }: CompareContext,
  shared: SharedTable,
  bits: number,
  within: { bits: number; buckets: number[] } | null,
  signal: AbortSignal,
): Promise<DifferingBucket[]> {
  const { table, columns } = shared;
  const question = { table: table.name, columns: [...columns], bits, within };
  const [ours, answer]: [BucketDigest[], { digests: string }] = await Promise.all([
    digestRows(database, sourceOf(shared), { bits, within }),
    relay.digest(question, signal),
  ]);
  const theirs = decodeDigests({ bits, within }, answer.digests);
  if (theirs.length !== bucketsOf({ bits, within }).length) throw new Error('the answer lacks buckets');
  return differingBuckets(ours, theirs);
}

/** The second look. */
async function confirmed(
  context: CompareContext,
  shared: SharedTable,
  candidates: readonly Difference[],
  signal: AbortSignal,
): Promise<Difference[]> {
  if (candidates.length === 0) return [];
  await context.barrier(signal);
  const waiting = await context.waitingRows();
  const before = new Map(candidates.map((candidate) => [rowId(shared.table.name, candidate.key), candidate]));
  const found: Difference[] = [];
  for (const part of inParts(candidates, maxAskedKeys)) {
    const keys = part.map(({ key }) => key);
    for (const now of await lookAt(context, shared, keys, signal)) {
      const id = rowId(shared.table.name, now.key);
      const then = before.get(id);
      if (then && !waiting.has(id) && isUntouched(then, now)) found.push(now);
    }
  }
  return found;
}

function isUntouched(then: Difference, now: Difference): boolean {
  return then.campus?.version === now.campus?.version && then.cloud?.version === now.cloud?.version;
}

async function lookAt(
  { database, relay }: CompareContext,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<Difference[]> {
  const { table, columns } = shared;
  const [ours, answer] = await Promise.all([
    readVersions(database, sourceOf(shared), keys),
    relay.versions(
      { table: table.name, columns: [...columns], keys: keys as Record<string, string>[] },
      signal,
    ),
  ]);
  return compareVersions(table, ours, decodeVersions(answer.versions));
}

/** Every row on this campus is its own, or would be a difference. */
export function sourceOf({ table, columns }: SharedTable): DigestSource {
  return { table, columns, campus: null };
}

export function compareVersions(
  table: Table,
  ours: readonly RowVersion[],
  theirs: readonly RowVersion[],
): Difference[] {
  const left = new Map(theirs.map((version) => [JSON.stringify(version.key), version]));
  const found: Difference[] = [];
  for (const campus of ours) {
    const id = JSON.stringify(campus.key);
    const cloud = left.get(id) ?? null;
    left.delete(id);
    if (cloud?.hash === campus.hash) continue;
    found.push({ key: toKey(table, campus), kind: cloud ? 'differs' : 'campus_only', campus, cloud });
  }
  for (const cloud of left.values())
    found.push({ key: toKey(table, cloud), kind: 'cloud_only', campus: null, cloud });
  return found;
}

function toKey(table: Table, { key }: RowVersion): Row {
  return Object.fromEntries(table.keyColumns.map((name, i) => [name, key[i] ?? null]));
}

export function inParts<T>(items: readonly T[], size: number): T[][] {
  return partsOf(items, size, () => 1);
}
