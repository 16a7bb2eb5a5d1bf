/**
 * Chunks of the feeds of campuses that are away, made ready in quiet moments: when the cable is mended, what a campus has missed
 * is packed and sealed already. Chunks follow one another without a gap from where the campus stopped reading; one that it asks
 * for from elsewhere is made when it asks, and ends where a ready one begins.
 *
 * What is ready is kept in memory, within bounds, until the campus has read past it; beyond the bounds, and after a restart of the
 * relay, chunks are made when they are asked for. Entries never change, so a chunk is right for as long as the cloud's epoch is the
 * same. Whether the entries are still kept in the database is for the caller to ask.
 */
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { FeedSeal } from '../restore/feed-seal.ts';
import { type FeedChunk, makeChunk, maxChunkRows } from './feed-chunk.ts';

/** As they are sent, before compression. */
const maxReadyBytes = 32 * 1024 * 1024;
/** Of one campus: some 150,000 changes. */
const maxCampusBytes = 8 * 1024 * 1024;

/** A campus that has asked for nothing for so long is away. */
const awayAfterMs = 500;

export interface ReadyChunksOptions {
  pool: Pool;
  seal: Pick<FeedSeal, 'sealBlock'>;
  logger: Logger;
  /** Nobody needs the processor for something else. */
  isQuiet(): boolean;
  /** A feed that has not grown from one look to the next is quiet. */
  lookIntervalMs: number;
}

export interface ChunkPlace {
  campus: string;
  /** The cloud's. */
  epoch: string;
  after: number;
}

interface ReadyFeed {
  epoch: string;
  chunks: (FeedChunk & { bytes: number })[];
}

interface Standing {
  epoch: string;
  campus: string;
  head: number;
  read: number;
}

export class ReadyChunks {
  readonly #options: ReadyChunksOptions;
  readonly #feeds = new Map<string, ReadyFeed>();
  /** Requests under way, and when the last one ended. */
  readonly #visits = new Map<string, { requests: number; endedAtMs: number }>();
  /** Where each campus that this relay has served stands. */
  readonly #served = new Map<string, number>();
  #heads = new Map<string, number>();
  #bytes = 0;

  constructor(options: ReadyChunksOptions) {
    this.#options = options;
  }

  /** The campus asks for its feed. @returns to be called when it is answered. */
  enter(campus: string): () => void {
    const visit = this.#visits.get(campus) ?? { requests: 0, endedAtMs: 0 };
    this.#visits.set(campus, visit);
    visit.requests++;
    return () => {
      visit.requests--;
      visit.endedAtMs = performance.now();
    };
  }

  async take({ campus, epoch, after }: ChunkPlace): Promise<FeedChunk> {
    const { pool, seal } = this.#options;
    this.#forget(campus, (chunk, feed) => feed.epoch !== epoch || chunk.last <= after);
    const next = this.#feeds.get(campus)?.chunks.find((chunk) => chunk.after >= after);
    const chunk =
      next?.after === after ? next : await makeChunk({ pool, seal, campus, after, upTo: next?.after });
    this.#served.set(campus, chunk.last);
    return chunk;
  }

  /** Runs until the signal aborts. A failure is logged; the next look tries again. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.lookIntervalMs, undefined, { signal }).catch(() => {});
      try {
        if (!signal.aborted && this.#options.isQuiet()) await this.#look(signal);
      } catch (error) {
        if (!signal.aborted) this.#options.logger.warn({ err: error }, 'no feed could be made ready');
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const behind = await this.#behind();
    const before = this.#heads;
    this.#heads = new Map(behind.map(({ campus, head }) => [campus, head]));
    // It has read on from another relay, or is trusted no more.
    for (const campus of [...this.#feeds.keys()])
      if (!this.#heads.has(campus)) this.#forget(campus, () => true);
    for (const standing of behind) {
      const grows = before.get(standing.campus) !== standing.head;
      if (!grows && this.#isAway(standing.campus)) await this.#fill(standing, signal);
    }
  }

  /** Campuses that have more to read than a chunk. */
  async #behind(): Promise<Standing[]> {
    const { rows } = await this.#options.pool.query<Record<'epoch' | 'campus' | 'head' | 'read', string>>(
      `SELECT s.epoch, f.campus, f.feed_seq AS head, coalesce(r.read_seq, 0) AS read
       FROM sync.site s, sync.follower f LEFT JOIN sync.feed_reader r USING (campus) LEFT JOIN sync.campus c USING (campus)
       WHERE c.revoked_at IS NULL AND f.feed_seq - coalesce(r.read_seq, 0) >= ${maxChunkRows}`,
    );
    return rows.map(({ epoch, campus, head, read }) => ({
      epoch,
      campus,
      head: Number(head),
      read: Number(read),
    }));
  }

  async #fill({ campus, epoch, head, read }: Standing, signal: AbortSignal): Promise<void> {
    const { pool, seal, isQuiet } = this.#options;
    this.#forget(campus, (_chunk, feed) => feed.epoch !== epoch);
    const feed = this.#feeds.get(campus) ?? { epoch, chunks: [] };
    let after = feed.chunks.at(-1)?.last ?? Math.max(read, this.#served.get(campus) ?? 0);
    while (!signal.aborted && isQuiet() && this.#isAway(campus) && this.#hasRoom(feed)) {
      if (head - after < maxChunkRows) return;
      const chunk = await makeChunk({ pool, seal, campus, after });
      // Read up to here meanwhile, or the feed was trimmed or begun anew.
      if (chunk.last === after || !this.#isAway(campus)) return;
      const bytes = JSON.stringify(chunk.messages).length;
      feed.chunks.push({ ...chunk, bytes });
      this.#feeds.set(campus, feed);
      this.#bytes += bytes;
      after = chunk.last;
      await setImmediate();
    }
  }

  #isAway(campus: string): boolean {
    const visit = this.#visits.get(campus);
    return !visit || (visit.requests === 0 && performance.now() - visit.endedAtMs > awayAfterMs);
  }

  #hasRoom({ chunks }: ReadyFeed): boolean {
    const own = chunks.reduce((sum, { bytes }) => sum + bytes, 0);
    return own < maxCampusBytes && this.#bytes < maxReadyBytes;
  }

  #forget(campus: string, isOver: (chunk: FeedChunk, feed: ReadyFeed) => boolean): void {
    const feed = this.#feeds.get(campus);
    if (!feed) return;
    feed.chunks = feed.chunks.filter((chunk) => {
      const over = isOver(chunk, feed);
      if (over) this.#bytes -= chunk.bytes;
      return !over;
    });
    if (feed.chunks.length === 0) this.#feeds.delete(campus);
  }
}
