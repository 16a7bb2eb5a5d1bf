/**
 * Serves a campus's feed as an Electric shape of one append-only table: the offset is the seq, so there is nothing to keep
 * between requests.
 *
 * Electric's HTTP protocol: `offset=-1` begins with an empty snapshot; then the log in chunks; at its end `up-to-date`;
 * then `live=true` requests that are held until something new is there.
 */
import type { Pool } from 'pg';
import { RelayError } from '../errors.ts';
import { makeChunk } from './feed-chunk.ts';
import { requireKept } from './feed-retention.ts';
import type { FeedSignals } from './feed-signals.ts';
import type { ReadyChunks } from './ready-chunks.ts';

export interface ShapeRequest {
  campus: string;
  /** `-1`, `now`, or `<seq>_<n>`. */
  offset: string;
  handle?: string | undefined;
  live: boolean;
  cursor?: string | undefined;
  /** Many entries may come as one message that holds them column by column. */
  blocks: boolean;
}

export interface ShapeResponse {
  status: 200 | 409;
  headers: Record<string, string>;
  messages: object[];
}

export interface ShapeOptions {
  pool: Pool;
  signals: FeedSignals;
  /** Makes chunks in blocks; null where nobody asks for any. */
  ready: ReadyChunks | null;
  /** How long a live request is held; Electric holds 20 s. */
  liveHoldMs: number;
}

const schema = JSON.stringify({
  campus: { type: 'text', pk_index: 0, not_null: true },
  epoch: { type: 'text', not_null: true },
  seq: { type: 'int8', pk_index: 1, not_null: true },
  stamp_epoch: { type: 'text', not_null: true },
  stamp_seq: { type: 'int8', not_null: true },
  committed_at: { type: 'int8', not_null: true },
  lsn: { type: 'int8', not_null: true },
  body: { type: 'text', not_null: true },
  seal: { type: 'text', not_null: true },
});

/** A handle names one shape for ever: a campus's feed in one epoch of the cloud. */
export function shapeHandle(epoch: string, campus: string): string {
  return `${epoch}-${campus}`;
}

export function shapeOffset(seq: number): string {
  return `${seq}_0`;
}

export async function serveShape(
  options: ShapeOptions,
  request: ShapeRequest,
  signal: AbortSignal,
): Promise<ShapeResponse> {
  const { epoch, seq: head } = await readHead(options.pool, request.campus);
  const handle = shapeHandle(epoch, request.campus);
  if (request.offset !== '-1' && request.offset !== 'now' && request.handle !== handle)
    return mustRefetch(handle);
  if (request.offset === '-1') return answer(handle, 0, [snapshotEnd()], request, false);
  if (request.offset === 'now') return answer(handle, head, [upToDate(head)], request, true);
  const after = parseOffset(request.offset);
  if (after > head) return mustRefetch(`${handle}-${head}`);
  const leave = options.ready?.enter(request.campus);
  try {
    return await serveLog(options, request, { epoch, seq: head }, after, signal);
  } finally {
    leave?.();
  }
}

async function serveLog(
  options: ShapeOptions,
  request: ShapeRequest,
  { epoch, seq: head }: FeedHead,
  after: number,
  signal: AbortSignal,
): Promise<ShapeResponse> {
  if (request.live && after === head) {
    await options.signals.wait(request.campus, options.liveHoldMs, signal, async () => {
      return (await readHead(options.pool, request.campus)).seq > after;
    });
  }
  await requireKept(options.pool, request.campus, after);
  const { pool, ready } = options;
  const { campus } = request;
  const chunk = await (request.blocks && ready
    ? ready.take({ campus, epoch, after })
    : makeChunk({ pool, seal: null, campus, after }));
  const { last } = chunk;
  const messages = [...chunk.messages];
  const complete = last === after || last >= (await readHead(pool, campus)).seq;
  if (complete) messages.push(upToDate(last));
  return answer(shapeHandle(epoch, campus), last, messages, request, complete);
}

export interface FeedHead {
  /** The cloud's epoch: with a new one every shape begins anew. Read each time, since the database may be restored. */
  epoch: string;
  /** The last entry of the campus's feed. */
  seq: number;
}

/** @throws RelayError FEED_NOT_READY */
export async function readHead(pool: Pool, campus: string): Promise<FeedHead> {
  const { rows } = await pool.query<{ epoch: string; feed_seq: string }>(
    'SELECT s.epoch, f.feed_seq FROM sync.site s, sync.follower f WHERE f.campus = $1',
    [campus],
  );
  if (!rows[0]) throw new RelayError('FEED_NOT_READY', `The feed of ${campus} has not begun yet.`);
  return { epoch: rows[0].epoch, seq: Number(rows[0].feed_seq) };
}

function parseOffset(offset: string): number {
  const match = /^(\d{1,15})_(\d+|inf)$/.exec(offset);
  if (!match)
    throw new RelayError('REQUEST_INVALID', `offset ${JSON.stringify(offset)} is not -1, now or <seq>_<n>.`);
  return Number(match[1]);
}

function answer(
  handle: string,
  seq: number,
  messages: object[],
  request: ShapeRequest,
  complete: boolean,
): ShapeResponse {
  const headers: Record<string, string> = {
    'electric-handle': handle,
    'electric-offset': shapeOffset(seq),
    'cache-control': 'private, no-store',
  };
  if (request.live) headers['electric-cursor'] = nextCursor(request.cursor);
  else headers['electric-schema'] = schema;
  if (complete) headers['electric-up-to-date'] = '';
  return { status: 200, headers, messages };
}

/** Any value that differs from the last keeps caches from answering a live request with an old response. */
function nextCursor(previous: string | undefined): string {
  const number = Number(previous);
  return String(Number.isSafeInteger(number) ? number + 1 : 1);
}

function mustRefetch(handle: string): ShapeResponse {
  const headers = { 'electric-handle': handle, 'cache-control': 'private, no-store' };
  return { status: 409, headers, messages: [{ headers: { control: 'must-refetch' } }] };
}

function upToDate(seq: number): object {
  return { headers: { control: 'up-to-date', global_last_seen_lsn: String(seq) } };
}

function snapshotEnd(): object {
  return { headers: { control: 'snapshot-end', xmin: '0', xmax: '0', xip_list: [] } };
}
