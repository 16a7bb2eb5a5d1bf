/**
 * Pull follows this campus's feed with Electric's official client and hands what comes to the follower, in order and
 * without gaps: entries it has already seen are left out, entries that come too early wait for those before them.
 *
 * It has a watchdog of its own: every failure, and every return of the link, begins a new stream at the cursor. The client
 * waits while entries are being applied, so that memory is bounded by a few chunks of the feed.
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
import { EntryOrder } from './entry-order.ts';
import { leapToKept } from './feed-kept.ts';
import type { Follower } from './follower.ts';
import { addPiece, type Piece, type PieceColumns, readPiece } from './pieces.ts';

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
    const order = new EntryOrder(cursor.seq);
    // The next part of the feed is fetched while one is applied.
    let receiving = Promise.resolve();
    stream.subscribe(
      async (messages) => {
        const { shapeHandle, lastOffset } = stream;
        // An error must not leave this callback: the client would throw it at the process.
        try {
          const pieces = await this.#keep(messages as Message[], signal);
          await receiving;
          receiving = this.#receive(pieces, messages as Message[], order, signal)
            .then(onProgress)
            .then(() => this.#rememberShape({ shapeHandle, lastOffset }, position))
            .catch(failed.reject);
        } catch (error) {
          failed.reject(error);
        }
      },
      (error) => failed.reject(error),
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
      await receiving;
    }
  }

  /** What came is kept before anything of it is applied, and while what came before is being applied. */
  async #keep(messages: Message[], signal: AbortSignal): Promise<Piece[]> {
    await this.#options.room?.(signal);
    // A real Electric also tells of entries that the cloud no longer keeps.
    const pieces = messages
      .filter(isChangeMessage)
      .filter(({ headers }) => headers.operation === 'insert')
      .map(({ value }) => readPiece(value as unknown as PieceColumns));
    await this.#options.keepReceived(pieces.map(({ received }) => received));
    return pieces;
  }

  async #receive(
    pieces: readonly Piece[],
    messages: Message[],
    order: EntryOrder,
    signal: AbortSignal,
  ): Promise<void> {
    if (messages.some(({ headers }) => 'control' in headers && headers.control === 'must-refetch')) {
      await this.#forgetShape();
      throw new Error('the shape begins anew');
    }
    for (const piece of pieces) addPiece(order, piece);
    for (let group = order.nextGroup(); group; group = order.nextGroup()) {
      this.state.upToDate = false;
      await this.#options.follower.apply(group, signal);
      order.done(group);
      this.state.feedSeq = order.applied;
      this.state.lastPullAt = new Date();
    }
    const ended = messages.some(
      (message) => isControlMessage(message) && message.headers.control === 'up-to-date',
    );
    if (ended && order.empty) this.#markUpToDate();
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
  async #rememberShape(
    stream: Pick<ShapeStream<never>, 'shapeHandle' | 'lastOffset'>,
    position: SyncPosition,
  ): Promise<void> {
    if (position.feed || !this.state.upToDate || !stream.shapeHandle) return;
    await this.#options.database.query('UPDATE sync.cursor SET shape_handle = $1, shape_offset = $2', [
      stream.shapeHandle,
      stream.lastOffset,
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

interface StoredCursor {
  seq: number;
  handle: string | null;
  offset: string | null;
}

function startOf(position: SyncPosition, cursor: StoredCursor): { handle?: string; offset?: Offset } {
  if (position.feed) return { handle: position.feed.handle, offset: `${cursor.seq}_0` };
  return cursor.handle && cursor.offset ? { handle: cursor.handle, offset: cursor.offset as Offset } : {};
}
