/**
 * The box's side of the relay's HTTP surface. Every call is bounded in time; an answer that is no success becomes a
 * RelayRefusal with the relay's own code.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { SignedMigration } from '@skooly-edge/sync-protocol';
import {
  type BatchHeader,
  encodeBlocks,
  encodeLines,
  joinBlocks,
  protocolVersion,
} from '@skooly-edge/sync-protocol';
import { fetch } from 'undici';
import type { RelayAuthorization } from '../enrol/relay-session.ts';
import type { RestorePoint } from '../restore/give-back.ts';
import type { SequenceAnswer, SequenceQuestion } from '../sequences/sequences.ts';
import type { KeptEntry } from '../sync-log/received.ts';
import { comeAgain, type Patience } from './come-again.ts';
import { openInARow } from './in-a-row.ts';
import { type Cursor, type RelayFetch, RelayRefusal, type RelayRequest, relayFetch } from './relay-fetch.ts';

export interface SyncPosition {
  campus: string;
  /** The cloud's epoch. */
  epoch: string;
  cursor: Cursor;
  parked: number;
  /** Null: the feed is served by a real Electric, whose handles and offsets are its own. */
  feed: { handle: string; origin: string } | null;
  /** The cloud keeps the entries of the feed behind this one. Left out by a relay that keeps all. */
  feedAfter?: number;
}

export interface PushAnswer {
  cursor: Cursor;
  conflicts: number;
  parked: number;
}

export interface SeedChunkAnswer {
  rows: Record<string, string | null>[];
  last: boolean;
}

export interface SeedBeginAnswer {
  epoch: string;
  feedSeq: number;
  tables: string[];
}

export interface MigrationsAnswer {
  /** The migration that the cloud is at. */
  number: number;
  migrations: SignedMigration[];
}

/** A thousand boxes may ask at the same moment. */
const questionTimeoutMs = 60_000;
/** A push that makes no progress for so long is given up; the cursor tells afterwards what became of it. */
const pushTimeoutMs = 120_000;
/** A digest reads a whole table. */
const resyncTimeoutMs = 300_000;

export interface RelayClientOptions {
  relayUrl: URL;
  session: RelayAuthorization;
  /** The last feed entry that is applied here: told to the relay with each question, so that it knows what it may forget. */
  feedSeq?(): number | null;
  /** How the relay is reached; left out, by whatever certificate the public authorities issued. */
  fetch?: RelayFetch;
  /** The same, for what is sent one behind the other over one connection. */
  inARow?: RelayFetch;
  random?(): number;
}

export class RelayClient {
  readonly #relayUrl: URL;
  readonly #session: RelayAuthorization;
  readonly #feedSeq: () => number | null;
  readonly #fetch: RelayFetch;
  readonly #inARow: RelayFetch;
  readonly #patience: Patience;
  #joining: Promise<unknown> = Promise.resolve();
  /** The batch that was sent last is answered, or has come to nothing. */
  #pushed: Promise<unknown> = Promise.resolve();

  constructor(options: RelayClientOptions) {
    this.#relayUrl = options.relayUrl;
    this.#session = options.session;
    this.#feedSeq = options.feedSeq ?? (() => null);
    this.#fetch = options.fetch ?? fetch;
    this.#inARow = options.inARow ?? openInARow().fetch;
    const pause = (ms: number, signal: AbortSignal) => sleep(ms, undefined, { signal });
    this.#patience = { random: options.random ?? Math.random, pause };
  }

  /** Over a connection of its own, whatever hangs elsewhere. */
  sync(epoch: string, signal: AbortSignal): Promise<SyncPosition> {
    return this.#sync(epoch, signal, this.#fetch);
  }

  /** Over the connection that pushes go over. */
  syncInARow(epoch: string, signal: AbortSignal): Promise<SyncPosition> {
    return this.#sync(epoch, signal, this.#inARow);
  }

  #sync(epoch: string, signal: AbortSignal, reach: RelayFetch): Promise<SyncPosition> {
    const read = this.#feedSeq();
    const query = new URLSearchParams({ epoch, ...(read === null ? {} : { feed: String(read) }) });
    return this.#call(`/v1/sync?${query}`, signal, questionTimeoutMs, { reach });
  }

  pack(lines: readonly string[]): Promise<Buffer[]> {
    return encodeBlocks(lines);
  }

  async push(
    header: BatchHeader,
    packed: readonly (readonly Buffer[])[],
    signal: AbortSignal,
  ): Promise<PushAnswer> {
    // One after the other, so that what was asked for first is sent first.
    const body = this.#joining.then(() => joinBlocks(header, packed.flat()));
    this.#joining = body.catch(() => {});
    return this.pushBody(await body, signal);
  }

  /** A batch as it is sent: behind those before it, whether or not they are answered. Comes again for as long as the relay says so. */
  pushBody(body: Buffer, signal: AbortSignal): Promise<PushAnswer> {
    const headers = { 'content-type': 'application/zstd' };
    const ask = () =>
      this.#call<PushAnswer>('/v1/push', signal, pushTimeoutMs, {
        method: 'POST',
        headers,
        body,
        reach: this.#inARow,
      });
    const answer = comeAgain(ask, this.#patience, signal, this.#pushed);
    this.#pushed = answer.catch(() => {});
    return answer;
  }

  restorePoint(epochs: readonly string[], signal: AbortSignal): Promise<RestorePoint> {
    return this.#call('/v1/restore/point', signal, questionTimeoutMs, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ epochs })),
    });
  }

  /** @param epoch That of the restore point. */
  async giveBack(epoch: string, entries: readonly KeptEntry[], signal: AbortSignal): Promise<RestorePoint> {
    const header = JSON.stringify({ v: protocolVersion, epoch });
    return this.#call('/v1/restore/entries', signal, pushTimeoutMs, {
      method: 'POST',
      headers: { 'content-type': 'application/zstd' },
      body: await encodeLines([header, ...returnedLines(entries)]),
    });
  }

  /** What the cloud has published behind this migration, some at a time. */
  migrations(after: number, signal: AbortSignal): Promise<MigrationsAnswer> {
    return this.#call(`/v1/migrations?after=${after}`, signal, pushTimeoutMs, {});
  }

  beginSeed(signal: AbortSignal): Promise<SeedBeginAnswer> {
    return this.#call('/v1/seed/begin', signal, questionTimeoutMs, { method: 'POST' });
  }

  endSeed(signal: AbortSignal): Promise<{ epoch: string; feedSeq: number }> {
    return this.#call('/v1/seed/end', signal, questionTimeoutMs, { method: 'POST' });
  }

  seedRows(table: string, after: object | null, signal: AbortSignal): Promise<SeedChunkAnswer> {
    const query = new URLSearchParams({ table, ...(after ? { after: JSON.stringify(after) } : {}) });
    return this.#call(`/v1/seed/rows?${query}`, signal, pushTimeoutMs, {});
  }

  sequences(question: SequenceQuestion, signal: AbortSignal): Promise<SequenceAnswer> {
    return this.#call('/v1/sequences', signal, questionTimeoutMs, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(question)),
    });
  }

  /**
   * A question of the resync; its answer may take the relay a while.
   *
   * @param body Null: there is nothing to be said with it.
   * @param onBytes Told what went over the line.
   */
  post<T>(
    path: string,
    body: object | null,
    signal: AbortSignal,
    onBytes: (bytes: number) => void,
  ): Promise<T> {
    const text = body === null ? null : Buffer.from(JSON.stringify(body));
    const content = text ? { headers: { 'content-type': 'application/json' }, body: text } : {};
    const init = { method: 'POST', ...content };
    return this.#call(path, signal, resyncTimeoutMs, init, (bytes) => onBytes(bytes + (text?.length ?? 0)));
  }

  /** A session that the relay does not take any more is replaced once. */
  async #call<T>(
    path: string,
    signal: AbortSignal,
    timeoutMs: number,
    { reach = this.#fetch, ...init }: RelayCall,
    onBytes?: (bytes: number) => void,
  ): Promise<T> {
    // What opening a session takes is not the question's.
    const attempt = (authorization: string) => {
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const headers = { ...init.headers, authorization, 'accept-encoding': 'zstd, gzip' };
      const request = { ...init, headers, signal: limited };
      return relayFetch<T>(reach, new URL(path, this.#relayUrl), request, onBytes);
    };
    const authorization = await this.#session.authorization();
    try {
      return await attempt(authorization);
    } catch (error) {
      if (!(error instanceof RelayRefusal) || (error.status !== 401 && error.status !== 403)) throw error;
      this.#session.refused(authorization);
      if (error.status === 403) throw error;
      return await attempt(await this.#session.authorization());
    }
  }
}

interface RelayCall extends Omit<RelayRequest, 'signal'> {
  reach?: RelayFetch;
}

/** An entry with its own seal is a line; those that came in one block are the block, and up to where it is given back. */
export function returnedLines(entries: readonly KeptEntry[]): string[] {
  return entries.flatMap(({ seq, proof }, index) => {
    if (!('block' in proof)) return [JSON.stringify(proof)];
    if (entries[index + 1]?.proof === proof) return [];
    const { block, seal } = proof;
    return [JSON.stringify({ block: block.toString('base64'), seal, upTo: seq })];
  });
}
