/**
 * The box's side of the relay's HTTP surface. Every call is bounded in time; an answer that is no success becomes a
 * RelayRefusal with the relay's own code.
 */
import { type BatchHeader, encodeBatch } from '@skooly-edge/sync-protocol';
import type { SignedMigration } from '@skooly-edge/sync-protocol';
import { type Cursor, relayFetch } from './relay-fetch.ts';

export interface SyncPosition {
  campus: string;
  /** The cloud's epoch. */
  epoch: string;
  cursor: Cursor;
  parked: number;
  /** Null: the feed is served by a real Electric, whose handles and offsets are its own. */
  feed: { handle: string; origin: string } | null;
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

const questionTimeoutMs = 15_000;
/** A push that makes no progress for so long is given up; the cursor tells afterwards what became of it. */
const pushTimeoutMs = 120_000;

export class RelayClient {
  readonly #relayUrl: URL;
  readonly #authorization: () => string;

  constructor(relayUrl: URL, authorization: () => string) {
    this.#relayUrl = relayUrl;
    this.#authorization = authorization;
  }

  sync(epoch: string, signal: AbortSignal): Promise<SyncPosition> {
    return this.#ask(`/v1/sync?epoch=${encodeURIComponent(epoch)}`, signal);
  }

  async push(header: BatchHeader, lines: readonly string[], signal: AbortSignal): Promise<PushAnswer> {
    return this.#call('/v1/push', signal, pushTimeoutMs, {
      method: 'POST',
      headers: { 'content-type': 'application/zstd' },
      body: await encodeBatch(header, lines),
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

  #ask<T>(path: string, signal: AbortSignal): Promise<T> {
    return this.#call(path, signal, questionTimeoutMs, {});
  }

  #call<T>(path: string, signal: AbortSignal, timeoutMs: number, init: RelayInit): Promise<T> {
    const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const headers = {
      ...init.headers,
      authorization: this.#authorization(),
      'accept-encoding': 'zstd, gzip',
    };
    return relayFetch<T>(new URL(path, this.#relayUrl), { ...init, headers, signal: limited });
  }
}

interface RelayInit {
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer;
}
