/**
 * Merges a group of transactions of one campus into the cloud's rows: load and lock every row once, merge change by change
 * in memory, write the difference set by set. All of it or an error.
 */
import {
  type Change,
  type CommitTime,
  isCertain,
  merge,
  questionsOfTime,
  type Row,
  RowImages,
  type RowStore,
  RowsMovedError,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { RowHistory } from './cloud-store.ts';
import type { DatedTransaction } from './dated.ts';
import { refuseForeignParents } from './foreign-parents.ts';
import type { Outcome } from './outcome.ts';
import { type KnownRow, ownerOf } from './owner.ts';
import { authorise, checkColumns, outOfScope, RefusedError, refuseTruncate } from './refusal.ts';

/**
 * @param references When foreign keys are looked at: now, or by the caller when more has been applied.
 * @throws RefusedError, BrokenReferenceError, RowsMovedError, or Postgres's error: then nothing of the group counts.
 */
export async function applyGroup(
  outcome: Outcome,
  transactions: readonly DatedTransaction[],
  references: 'now' | 'later' = 'now',
): Promise<void> {
  const { campus, commit, trusted = false } = outcome.context;
  for (const transaction of transactions) refuseTruncate(transaction);
  const changes = transactions.flatMap((transaction) => transaction.changes);
  for (const change of changes) {
    if (!commit.catalog.tables.has(change.table)) {
      throw new RefusedError('forbidden', `${change.table} is not synced.`, change);
    }
  }
  const images = new RowImages(commit.rows, commit.catalog);
  await images.load(changes);
  const history = commit.history(campus);
  for (const transaction of transactions) {
    for (const [index, change] of transaction.changes.entries()) {
      const current = images.get(change.table, change.key);
      const table = images.table(change.table);
      checkColumns(table, change);
      if (!trusted) authorise(campus, table, change, current);
      if (!trusted && table.through) await refuseForeign(outcome, images, table, change, current);
      const result = await mergeChange(history, transaction, change, table, current);
      if (result.row !== current) images.set(change.table, change.key, result.row);
      if (result.conflict) {
        await outcome.record(history, { transaction, index, change, table, current }, result.conflict);
      }
    }
  }
  if (!trusted) await refuseForeignParents(campus, commit.rows, images, commit.catalog.tables, changes);
  // The feed writer looks again whether they are there, once the commit is in the order of all commits.
  for (const { table, key } of images.absent()) outcome.correct(table, key);
  try {
    await images.flush(references);
  } catch (error) {
    // Nobody moves rows so often: the key is spelt otherwise than Postgres prints it, so that the look for its row found none.
    const inWay = error instanceof RowsMovedError && commit.lastAttempt ? changes[0] : undefined;
    if (inWay)
      throw new RefusedError(
        'check_violated',
        `A row of ${inWay.table} stands where one is to be inserted.`,
        inWay,
      );
    throw error;
  }
}

/**
 * Both the row as it stands and the row as it would become must belong to the campus. Whether a parent that is not there
 * may be missing is the foreign key's to say.
 */
async function refuseForeign(
  { context: { campus, commit } }: Outcome,
  images: RowImages,
  table: Table,
  change: Change,
  current: Row | null,
): Promise<void> {
  const known: KnownRow = ({ name }, key) => images.peek(name, key);
  // Nobody moves the parent to another campus before this is committed.
  const parents: Pick<RowStore, 'read'> = { read: (parent, keys) => commit.rows.lock(parent, keys, 'share') };
  const rows = [current, change.op === 'delete' ? null : { ...current, ...change.after }];
  for (const row of rows) {
    const owner = row && (await ownerOf(parents, table, row, known));
    if (owner != null && owner !== campus) throw outOfScope(campus, change);
  }
}

async function mergeChange(
  history: RowHistory,
  { time }: DatedTransaction,
  change: Change,
  table: Table,
  current: Row | null,
) {
  const newer = new Map<string | null, boolean | null>();
  for (const column of questionsOfTime(change, current, table.rule)) {
    const changedSince = (moment: number) => history.changedSince(table, change.key, column, moment);
    newer.set(column, await isNewer(time, changedSince));
  }
  const lastKnown = change.op === 'update' && !current ? await history.lastKnown(table, change.key) : null;
  return merge({
    change,
    current,
    rule: table.rule,
    typeOf: (column) => table.columns.get(column)?.type ?? 'text',
    campusIsNewer: (column) => newer.get(column) ?? null,
    lastKnown,
  });
}

/** Whether the campus's commit came after the cloud's last change. Null: its time is not known well enough to say. */
async function isNewer(
  time: CommitTime,
  changedSince: (moment: number) => Promise<boolean>,
): Promise<boolean | null> {
  if (!(await changedSince(time.earliest))) return true;
  return isCertain(time) || (await changedSince(time.latest)) ? false : null;
}
