/**
 * Tries again what may pass by itself, with pauses that grow and never fall together with those of other hosts. What will not
 * pass (refused, full, lied) is given up at once. A download that breaks off goes on from the byte where it did; a list from
 * behind the last name.
 */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRegionError } from './errors.ts';
import type { GetOptions, Listed, ListedVersion, PutOptions, Region, Stored, StoredFile } from './region.ts';

export interface RetryOptions {
  /** Tries in all, the first one too. */
  readonly attempts?: number;
  readonly firstPauseMs?: number;
  readonly longestPauseMs?: number;
  readonly random?: () => number;
  readonly pause?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Heard before each pause. */
  onRetry?(error: Error, attempt: number, pauseMs: number): void;
}

const defaults = {
  attempts: 5,
  firstPauseMs: 500,
  longestPauseMs: 60_000,
  random: Math.random,
  pause: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, { signal }),
  onRetry: () => undefined,
};

export function withRetry(region: Region, options: RetryOptions = {}): Region {
  const settings = { ...defaults, ...options };

  /** Counts failures in a row: whoever makes progress says so, and has all tries again. */
  function tries(signal?: AbortSignal) {
    let failed = 0;
    return {
      progress() {
        failed = 0;
      },
      /** Rejects with the error when it is not to be tried again. */
      async afterFailure(error: unknown): Promise<void> {
        signal?.throwIfAborted();
        failed += 1;
        if (!isRegionError(error) || !error.mayPass || failed >= settings.attempts) throw error;
        const longest = Math.min(settings.longestPauseMs, settings.firstPauseMs * 2 ** (failed - 1));
        const pauseMs = Math.round(longest * (0.5 + settings.random() / 2));
        settings.onRetry(error, failed, pauseMs);
        await settings.pause(pauseMs, signal);
      },
    };
  }

  async function retried<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    const { afterFailure } = tries(signal);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await afterFailure(error);
      }
    }
  }

  async function put(name: string, file: StoredFile, given: PutOptions): Promise<Stored> {
    const { progress, afterFailure } = tries(given.signal);
    let most = 0;
    // What is sent again is no progress; every try begins at nothing.
    const onProgress = (sent: number) => {
      if (sent <= most) return;
      most = sent;
      progress();
      given.onProgress?.(sent);
    };
    for (;;) {
      try {
        return await region.put(name, file, { ...given, onProgress });
      } catch (error) {
        await afterFailure(error);
      }
    }
  }

  async function* download(name: string, given: GetOptions, first: Readable): AsyncGenerator<Buffer> {
    const { progress, afterFailure } = tries(given.signal);
    const from = given.range?.start ?? 0;
    let got = 0;
    let body: Readable | null = first;
    for (;;) {
      try {
        const end = given.range?.end;
        const range = { start: from + got, ...(end !== undefined && { end }) };
        body ??= await region.get(name, { ...given, range });
        for await (const chunk of body as AsyncIterable<Buffer>) {
          got += chunk.length;
          progress();
          yield chunk;
        }
        return;
      } catch (error) {
        body = null;
        await afterFailure(error);
      }
    }
  }

  async function* list(
    prefix: string,
    given: { after?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<Listed> {
    const { progress, afterFailure } = tries(given.signal);
    let { after } = given;
    for (;;) {
      try {
        for await (const object of region.list(prefix, { ...given, ...(after !== undefined && { after }) })) {
          after = object.name;
          progress();
          yield object;
        }
        return;
      } catch (error) {
        await afterFailure(error);
      }
    }
  }

  /** As a whole: versions have no order to go on from. */
  async function* versions(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedVersion> {
    yield* await retried(() => Array.fromAsync(region.versions(prefix, signal)), signal);
  }

  return {
    name: region.name,
    put,
    head: (name, signal) => retried(() => region.head(name, signal), signal),
    get: async (name, given = {}) => {
      const first = await retried(() => region.get(name, given), given.signal);
      return Readable.from(download(name, given, first), { objectMode: false, highWaterMark: 256 * 1024 });
    },
    list,
    versions,
    remove: (name, signal) => retried(() => region.remove(name, signal), signal),
    abilities: (signal) => retried(() => region.abilities(signal), signal),
  };
}
