/**
 * Salvage: the cloud was restored to an earlier point, and a campus gives back the entries of its feed that the cloud has lost.
 * Each is merged like a transaction that is pushed, in the campus's order, in one commit with how far that campus has come.
 *
 * Several campuses hold parts of the same lost commit; what one has given back, another's changes nothing: it is known by the
 * lost epoch, the commit's place in the WAL, the row, and the operation. Nothing is taken on a campus's word: an entry carries
 * the seal that it was sent with. The campus is no author here: what it gives back comes down to it again like any commit, so
 * that it ends where the cloud ends.
 */
import {
  type Change,
  type CorrectedMessage,
  type Correction,
  correctedMessage,
  type FeedEntry,
  openFeedBlock,
  type Row,
} from '@skooly-edge/sync-protocol';
import { RelayError } from '../errors.ts';
import { applyAll } from '../ingest/apply-all.ts';
import type { CloudCommit, CloudStore } from '../ingest/cloud-store.ts';
import type { DatedTransaction } from '../ingest/dated.ts';
import { Outcome } from '../ingest/outcome.ts';
import type { FeedSeal, SealedEntry } from './feed-seal.ts';

export interface ReturnedEntry extends Omit<SealedEntry, 'campus'> {
  seal: string;
}

/** A block of entries, of which those up to `upTo` are given back. */
export interface ReturnedBlock {
  /** Base64. */
  block: string;
  seal: string;
  upTo: number;
}

type LostEntry = Pick<FeedEntry, 'epoch' | 'seq' | 'committedAt' | 'lsn' | 'changes'>;

export interface RestorePoint {
  /** The campus's latest epoch that this database knows. */
  epoch: string;
  /** The last entry of that epoch's feed that the cloud still has. */
  forkSeq: number;
  /** Up to here the campus has given back. */
  givenSeq: number;
}

export interface SalvageOptions {
  store: CloudStore;
  seal: FeedSeal;
  now(): Date;
}

export class Salvage {
  readonly #options: SalvageOptions;

  constructor(options: SalvageOptions) {
    this.#options = options;
  }

  /**
   * @param epochs The cloud's epochs that the campus has followed, the latest first.
   * @throws RelayError EPOCH_UNKNOWN
   */
  point(campus: string, epochs: readonly string[]): Promise<RestorePoint> {
    return this.#options.store.commit(async (commit) => {
      for (const epoch of epochs) {
        const point = await commit.salvage.point(campus, epoch);
        if (point) return { epoch, ...point };
      }
      throw new RelayError(
        'EPOCH_UNKNOWN',
        'This database knows none of the epochs that the campus has followed.',
      );
    });
  }

  /**
   * @param known The epoch of the restore point: how far the campus has come is counted there.
   * @param returned In order of seq, which counts on through the epochs that the campus has followed.
   * @throws RelayError SEAL_INVALID, EPOCH_UNKNOWN; nothing is applied then.
   */
  async giveBack(
    campus: string,
    known: string,
    returned: readonly (ReturnedEntry | ReturnedBlock)[],
  ): Promise<RestorePoint> {
    const { store, seal, now } = this.#options;
    const entries = returned.flatMap((item) =>
      'block' in item ? openBlock(seal, campus, item) : [openEntry(seal, campus, item)],
    );
    return store.commit(async (commit) => {
      const point = await commit.salvage.point(campus, known);
      if (!point) throw new RelayError('EPOCH_UNKNOWN', 'This database does not know that epoch.');
      const fresh = entries.filter((entry) => entry.seq > point.givenSeq);
      const last = fresh.at(-1);
      if (!last) return { epoch: known, ...point };
      const waiting = await commit.parked.waitingRows(campus);
      const told = new Outcome({ campus, epoch: last.epoch, commit, now: now(), trusted: true });
      for (const entry of fresh) {
        const corrections = await apply(commit, campus, entry, waiting, now());
        for (const { table, key } of corrections) told.correct(table, key);
      }
      // How the rows stand when all is given back: what they were in between may be what another row has by then.
      const corrections = await told.write();
      if (corrections.length > 0)
        await commit.emit(correctedMessage, { campus, corrections } satisfies CorrectedMessage);
      await commit.salvage.moveGiven(campus, known, last.seq);
      return { epoch: known, forkSeq: point.forkSeq, givenSeq: last.seq };
    });
  }
}

/** @throws RelayError SEAL_INVALID */
function openEntry(seal: FeedSeal, campus: string, entry: ReturnedEntry): LostEntry {
  if (!seal.fits({ campus, ...entry }, entry.seal))
    throw new RelayError('SEAL_INVALID', `Entry ${entry.seq} was not made by this cloud, or was changed.`);
  const { changes } = JSON.parse(entry.body) as { changes: Change[] };
  return { ...entry, changes };
}

/** @throws RelayError SEAL_INVALID */
function openBlock(seal: FeedSeal, campus: string, { block, seal: given, upTo }: ReturnedBlock): LostEntry[] {
  const bytes = Buffer.from(block, 'base64');
  if (!seal.fitsBlock({ campus, block: bytes }, given))
    throw new RelayError(
      'SEAL_INVALID',
      `The block up to entry ${upTo} was not made by this cloud, or was changed.`,
    );
  return openFeedBlock(bytes)
    .entries()
    .filter(({ seq }) => seq <= upTo);
}

/** @returns what the campus has to be told of. */
async function apply(
  commit: CloudCommit,
  campus: string,
  entry: LostEntry,
  waiting: Parameters<typeof applyAll>[2],
  now: Date,
): Promise<readonly Correction[]> {
  const { changes } = entry;
  const known = await commit.salvage.known(entry.epoch, entry.lsn, changes);
  const outcome = new Outcome({ campus, epoch: entry.epoch, commit, now, trusted: true });
  // Another campus's word for it may have ended in a conflict: this one is told how the rows stand.
  for (const { table, key } of changes.filter((_, index) => known[index])) outcome.correct(table, key);
  const left = (change: Change) => change.moved === true && change.op === 'delete';
  // The campus that it went to gives it back; if none does, it is still here.
  for (const { table, key } of changes.filter(left)) outcome.correct(table, key);
  const given = changes.filter((change, index) => !known[index] && !left(change));
  const fresh = await arrivals(commit, given);
  if (fresh.length > 0) {
    const { seq, committedAt } = entry;
    const time = { at: committedAt, earliest: committedAt, latest: committedAt };
    const transaction: DatedTransaction = { seq, committedAt, time, changes: fresh };
    await commit.date(committedAt);
    await applyAll(outcome, [transaction], waiting);
    await commit.salvage.remember(entry.epoch, entry.lsn, given);
  }
  return await outcome.write();
}

/** A row that came from another campus is here already, under that one: coming is a change of it. */
async function arrivals(commit: CloudCommit, changes: readonly Change[]): Promise<Change[]> {
  const result: Change[] = [];
  for (const change of changes) {
    const table = change.moved ? commit.catalog.tables.get(change.table) : undefined;
    const [row] = table ? await commit.rows.lock(table, [change.key]) : [];
    const { table: name, key, op, after } = change;
    if (!row || op !== 'insert' || !after) {
      result.push(change);
      continue;
    }
    const columns = Object.keys(after).filter((column) => after[column] !== row[column]);
    const of = (values: Row) => Object.fromEntries(columns.map((column) => [column, values[column] ?? null]));
    result.push({ table: name, key, op: 'update', before: of(row), after: of(after) });
  }
  return result;
}
