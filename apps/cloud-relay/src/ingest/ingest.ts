/**
 * Ingest applies what a campus pushes, in one commit of the cloud: lock the campus's cursor, leave out what is applied
 * already, merge the rest, write rows, conflicts and corrections, move the cursor, commit. That the cursor moves in
 * the same commit is the whole of exactly-once.
 *
 * First each block of the batch is tried straight: written as if every row stood as the campus saw it, and undone if one does
 * not. Then its transactions are merged as one group. If anything in it cannot be applied, the group is undone and tried in
 * halves, until the transaction that is to blame stands alone and is parked: one poisoned row costs a few repetitions, and
 * delays nothing else. It does not promise that a batch that was not answered was not applied: the sender asks for
 * the cursor.
 */
import {
  type AppliedMessage,
  type AuthorMessage,
  appliedMessage,
  authorMessage,
  type Batch,
  type CorrectedMessage,
  correctedMessage,
} from '@skooly-edge/sync-protocol';
import { RelayError } from '../errors.ts';
import { applyBlocks } from './apply-blocks.ts';
import type { CloudCommit, CloudStore } from './cloud-store.ts';
import { timeOf } from './dated.ts';
import { Outcome } from './outcome.ts';

export interface Cursor {
  epoch: string;
  seq: number;
}

export interface PushResult {
  cursor: Cursor;
  /** Conflicts recorded by this push. */
  conflicts: number;
  /** Transactions of the campus that are parked in all. */
  parked: number;
}

export interface IngestOptions {
  store: CloudStore;
  now(): Date;
}

export class Ingest {
  readonly #options: IngestOptions;

  constructor(options: IngestOptions) {
    this.#options = options;
  }

  /** @throws RelayError SEQ_GAP when transactions between the cursor and the batch are missing. */
  push(campus: string, batch: Batch): Promise<PushResult> {
    return this.#options.store.commit((commit) => this.#push(commit, campus, batch));
  }

  async #push(commit: CloudCommit, campus: string, batch: Batch): Promise<PushResult> {
    const { epoch } = batch;
    const seq = await commit.lockCursor(campus, epoch);
    const now = this.#options.now();
    const fresh = batch.blocks.flatMap(({ heads }) => heads).filter((head) => head.seq > seq);
    const first = fresh[0];
    const last = fresh.at(-1);
    if (!first || !last) {
      return { cursor: { epoch, seq }, conflicts: 0, parked: await commit.parked.count(campus) };
    }
    if (first.seq !== seq + 1) {
      throw new RelayError('SEQ_GAP', `The batch begins with ${first.seq}; the cursor stands at ${seq}.`, {
        cursor: { epoch, seq },
      });
    }
    const boots = batch.boots ?? {};
    await commit.date(timeOf(last, boots, now).at);
    const outcome = new Outcome({ campus, epoch, commit, now });
    if (!batch.adopted) await commit.emit(authorMessage, { campus, own: true } satisfies AuthorMessage);
    const waiting = await commit.parked.waitingRows(campus);
    const applied = await applyBlocks(outcome, { blocks: batch.blocks, after: seq, boots, waiting });
    const corrections = await outcome.write();
    if (batch.adopted) {
      await commit.emit(correctedMessage, { campus, corrections } satisfies CorrectedMessage);
    } else if (applied !== null) {
      const message: AppliedMessage = { campus, epoch, seq: applied, corrections };
      await commit.emit(appliedMessage, message);
    }
    await commit.moveCursor(campus, epoch, last.seq);
    const parked = await commit.parked.count(campus);
    return { cursor: { epoch, seq: last.seq }, conflicts: outcome.conflicts, parked };
  }
}
