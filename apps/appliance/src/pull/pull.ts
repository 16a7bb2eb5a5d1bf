/**
 * Pull follows this campus's feed with Electric's official client and hands what comes to the follower, in order and
 * without gaps: entries it has already seen are left out, entries that come too early wait for those before them.
 *
 * It has a watchdog of its own: every failure, and every return of the link, begins a new stream at the cursor. While entries are
 * being applied the client goes on until a few chunks of the feed wait (`arrivals.ts`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isChangeMessage,
  isControlMessage,
  type Message,
  type Offset,
  ShapeStream,
} from '@electric-sql/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { fetch } from 'undici';
import type { RelayAuthorization } from '../enrol/relay-session.ts';
import type { SyncPosition } from '../relay-client/relay-client.ts';
import type { ReceivedBlock, ReceivedEntry } from '../sync-log/received.ts';
import { type Arrival, Arrivals } from './arrivals.ts';
import { EntryOrder } from './entry-order.ts';
import { leapToKept } from './feed-kept.ts';
import type { Follower } from './follower.ts';
import { addPiece, type PieceColumns, readPiece } from './pieces.ts';

export interface PullState {
  lastPullAt: Date | null;
  /** The last entry of the feed that is applied here. */
  feedSeq: number;
  /** The stream has said that there is nothing more, and everything before is applied. */
  upToDate: boolean;
  lastError: string | null;
}

export interface PullOptions {
  relayUrl: URL;
  session: RelayAuthorization;
  /** Asks the relay where this campus stands. */
  position(signal: AbortSignal): Promise<SyncPosition>;
  database: Pool;
  follower: Follower;
  /** Keeps what came as it came; resolves when it is durable. */
  keepReceived(pieces: (ReceivedEntry | ReceivedBlock)[]): Promise<void>;
  /** What the cloud no longer keeps of the feed has to be found row by row. */
  requestResync(reason: string): Promise<unknown>;
  /** Resolves when the disk has room for what is applied. Left out: it has. */
  room?(signal: AbortSignal): Promise<void>;
  /** How the relay is reached; left out, by whatever certificate the public authorities issued. */
  fetch?: typeof fetch;
  logger: Logger;
}

const retryDelayMs = 1_000;
const maxRetryDelayMs = 15_000;

/** Longer than the relay holds a live request (20 s). */
const liveRequestTimeoutMs = 35_000;

export class Pull {
  readonly #options: PullOptions;
  readonly state: PullState = { lastPullAt: null, feedSeq: 0, upToDate: false, lastError: null };
  #restart = new AbortController();
  #caughtUp: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(options: PullOptions) {
    this.#options = options;
  }

  /** The link is back: what hangs is given up, and a new stream begins. */
  restart(): void {
    this.#restart.abort(new Error('the link is back'));
  }

  /** Resolves when the feed is read to its end. */
  async upToDate(signal: AbortSignal): Promise<void> {
    while (!this.state.upToDate) {
      const aborted = Promise.withResolvers<never>();
      const abort = () => aborted.reject(signal.reason);
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      await Promise.race([this.#caughtUp.promise, aborted.promise]);
      signal.removeEventListener('abort', abort);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      this.#restart = new AbortController();
      const session = AbortSignal.any([signal, this.#restart.signal]);
      try {
        await this.#follow(session, () => {
          failures = 0;
        });
      } catch (error) {
        if (!signal.aborted && !this.#restart.signal.aborted) this.#note(error, ++failures);
      }
      this.state.upToDate = false;
      const delayMs = failures === 0 ? 0 : Math.min(maxRetryDelayMs, retryDelayMs * 2 ** (failures - 1));
      await sleep(delayMs, undefined, { signal: AbortSignal.any([signal, this.#restart.signal]) }).catch(
        () => {},
      );
    }
  }

  /** One stream, from the cursor until it fails or the signal aborts. */
  async #follow(signal: AbortSignal, onProgress: () => void): Promise<void> {
    const position = await this.#options.position(signal);
    const cursor = await this.#readCursor();
    const { database, requestResync } = this.#options;
    cursor.seq = await leapToKept(position, cursor.seq, database, requestResync);
    this.state.feedSeq = cursor.seq;
    const failed = Promise.withResolvers<never>();
    const stop = new AbortController();
    const stream = new ShapeStream<never>({
      url: new URL('/v1/shape', this.#options.relayUrl).href,
      params: { table: 'sync.feed', blocks: '1' },
      headers: {
        authorization: () => this.#options.session.authorization(),
        'accept-encoding': 'zstd, gzip',
      },
      ...startOf(position, cursor),
      parser: { int8: (text: string) => text as never },
      fetchClient: (this.#options.fetch ?? fetch) as unknown as typeof globalThis.fetch,
      backoffOptions: { initialDelay: 200, maxDelay: 5_000, multiplier: 2, maxRetries: 3 },
      liveRequestTimeoutMs,
      signal: AbortSignal.any([signal, stop.signal]),
      onError: (error) => failed.reject(error),
    });
    const arrivals = new Arrivals();
    stream.subscribe(
      async (messages) => {
        const { shapeHandle, lastOffset } = stream;
        // An error must not leave this callback: the client would throw it at the process.
        try {
          const arrival = await this.#keep(messages as Message[], signal);
          await arrivals.add({ ...arrival, place: { shapeHandle, lastOffset } });
        } catch (error) {
          failed.reject(error);
        }
      },
      (error) => failed.reject(error),
    );
    const order = new EntryOrder(cursor.seq);
    const applying = this.#applyArrivals(arrivals, { order, position, signal, onProgress }).catch(
      failed.reject,
    );
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await Promise.race([failed.promise, aborted]);
    } finally {
      stop.abort();
      stream.unsubscribeAll();
      arrivals.close();
      await applying;
    }
  }

  /** What came is kept before anything of it is applied, and while what came before is being applied. */
  async #keep(messages: Message[], signal: AbortSignal): Promise<Omit<Arrival, 'place'>> {
    const says = (control: string) =>
      messages.some((message) => isControlMessage(message) && message.headers.control === control);
    if (says('must-refetch')) {
      await this.#forgetShape();
      throw new Error('the shape begins anew');
    }
    await this.#options.room?.(signal);
    // A real Electric also tells of entries that the cloud no longer keeps.
    const pieces = messages
      .filter(isChangeMessage)
      .filter(({ headers }) => headers.operation === 'insert')
      .map(({ value }) => readPiece(value as unknown as PieceColumns));
    await this.#options.keepReceived(pieces.map(({ received }) => received));
    return { pieces, isEnd: says('up-to-date') };
  }

  async #applyArrivals(
    arrivals: Arrivals,
    { order, position, signal, onProgress }: StreamProgress,
  ): Promise<void> {
    for (;;) {
      const taken = await arrivals.take();
      const last = taken.at(-1);
      if (!last) return;
      for (const piece of taken.flatMap(({ pieces }) => pieces)) addPiece(order, piece);
      for (let groups = order.nextGroups(); groups.length > 0; groups = order.nextGroups()) {
        this.state.upToDate = false;
        await this.#options.follower.apply(groups, signal);
        order.done(groups);
        this.state.feedSeq = order.applied;
        this.state.lastPullAt = new Date();
      }
      if (last.isEnd && order.empty) this.#markUpToDate();
      onProgress();
      await this.#rememberShape(last.place, position);
    }
  }

  #markUpToDate(): void {
    this.state.upToDate = true;
    this.state.lastPullAt = new Date();
    this.state.lastError = null;
    this.#caughtUp.resolve();
    this.#caughtUp = Promise.withResolvers();
  }

  async #readCursor(): Promise<StoredCursor> {
    const { rows } = await this.#options.database.query<Record<string, string | null>>(
      'SELECT seq, shape_handle, shape_offset FROM sync.cursor',
    );
    const row = rows[0];
    if (!row) throw new Error('the first copy of the database is not complete');
    return { seq: Number(row.seq), handle: row.shape_handle ?? null, offset: row.shape_offset ?? null };
  }

  /** With a real Electric the place in the shape is Electric's own and has to be kept; ours is the cursor itself. */
  async #rememberShape({ shapeHandle, lastOffset }: Arrival['place'], position: SyncPosition): Promise<void> {
    if (position.feed || !this.state.upToDate || !shapeHandle) return;
    await this.#options.database.query('UPDATE sync.cursor SET shape_handle = $1, shape_offset = $2', [
      shapeHandle,
      lastOffset,
    ]);
  }

  /** What a real Electric called the shape is worth nothing any more. */
  async #forgetShape(): Promise<void> {
    await this.#options.database.query('UPDATE sync.cursor SET shape_handle = NULL, shape_offset = NULL');
  }

  #note(error: unknown, failures: number): void {
    this.state.lastError = error instanceof Error ? error.message : String(error);
    this.#options.logger[failures === 1 ? 'warn' : 'debug'](
      { err: error, failures },
      'pull failed, tries again',
    );
  }
}

interface StreamProgress {
  order: EntryOrder;
  position: SyncPosition;
  signal: AbortSignal;
  onProgress(): void;
}

interface StoredCursor {
  seq: number;
  handle: string | null;
  offset: string | null;
}

function startOf(position: SyncPosition, cursor: StoredCursor): { handle?: string; offset?: Offset } {
  if (position.feed) return { handle: position.feed.handle, offset: `${cursor.seq}_0` };
  return cursor.handle && cursor.offset ? { handle: cursor.handle, offset: cursor.offset as Offset } : {};
}
