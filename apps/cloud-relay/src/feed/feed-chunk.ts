/** A chunk of a campus's feed, as messages of its shape: each entry by itself, or runs of many in sealed blocks. */
import { encodeFeedBlock, entryOfRow } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { FeedSeal } from '../restore/feed-seal.ts';

/** A chunk of the log ends at whichever comes first; a single larger row is still sent. */
export const maxChunkRows = 2_000;
const maxChunkBytes = 4 * 1024 * 1024;

/** As many entries of the same epoch are worth a block; one ends where the stamp changes, once it holds as many. */
const minBlockEntries = 100;

const columns = [
  'campus',
  'epoch',
  'seq',
  'stamp_epoch',
  'stamp_seq',
  'committed_at',
  'lsn',
  'body',
  'seal',
] as const;
type FeedColumns = Record<(typeof columns)[number], string>;

export interface ChunkRequest {
  pool: Pool;
  /** Null: no blocks. */
  seal: Pick<FeedSeal, 'sealBlock'> | null;
  campus: string;
  after: number;
  /** The last entry that it may hold. */
  upTo?: number | undefined;
}

export interface FeedChunk {
  after: number;
  /** Its last entry; `after` when there is none. */
  last: number;
  messages: readonly object[];
}

export async function makeChunk({ pool, seal, campus, after, upTo }: ChunkRequest): Promise<FeedChunk> {
  const rows = await readRows(pool, campus, after, Math.min(upTo ?? Infinity, after + maxChunkRows));
  const messages = seal
    ? runsOf(rows).flatMap((run) => blockMessages(run, seal))
    : rows.map((row) => insertMessage(row));
  return { after, last: Number(rows.at(-1)?.seq ?? after), messages };
}

/** A feed has no gaps, so its numbers bound what is read: with a LIMIT, Postgres may sort all that follows for each chunk. */
async function readRows(pool: Pool, campus: string, after: number, upTo: number): Promise<FeedColumns[]> {
  const { rows } = await pool.query<FeedColumns>(
    `SELECT ${columns.join(', ')} FROM (
       SELECT *, sum(octet_length(body)) OVER (ORDER BY seq) - octet_length(body) AS bytes_before
       FROM sync.feed WHERE campus = $1 AND seq > $2 AND seq <= $3
     ) f WHERE bytes_before < ${maxChunkBytes} ORDER BY seq`,
    [campus, after, upTo],
  );
  return rows;
}

function insertMessage(value: Pick<FeedColumns, 'campus' | 'seq'>): object {
  return {
    key: `"sync"."feed"/${JSON.stringify(value.campus)}/${JSON.stringify(value.seq)}`,
    value,
    headers: { operation: 'insert', relation: ['sync', 'feed'], lsn: value.seq, op_position: 0, last: true },
  };
}

/** What a campus gives back after a restore is cut where its stamp changes: a long run of one stamp is one block. */
function runsOf(rows: readonly FeedColumns[]): FeedColumns[][] {
  const runs: FeedColumns[][] = [];
  for (const row of rows) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    const stays = last?.stamp_seq === row.stamp_seq && last.stamp_epoch === row.stamp_epoch;
    if (!run || last?.epoch !== row.epoch || (!stays && run.length >= minBlockEntries)) runs.push([row]);
    else run.push(row);
  }
  return runs;
}

function blockMessages(run: readonly FeedColumns[], seal: Pick<FeedSeal, 'sealBlock'>): object[] {
  const [first, last] = [run[0], run.at(-1)];
  if (!first || !last || run.length < minBlockEntries) return run.map((row) => insertMessage(row));
  const { campus, epoch } = first;
  const block = encodeFeedBlock(run.map(entryOfRow));
  const sealed = seal.sealBlock({ campus, block });
  const value = { campus, epoch, seq: last.seq, block: block.toString('base64'), seal: sealed };
  return [insertMessage(value)];
}
