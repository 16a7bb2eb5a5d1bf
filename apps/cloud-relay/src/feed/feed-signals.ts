/**
 * Wakes the readers that wait for their feed to grow: one LISTEN connection for the whole relay.
 *
 * A signal may be lost (the connection broke): a reader that waits looks for itself at the end of its time, and
 * everyone is woken when the connection is back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sessionConfig } from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';

/** NOTIFY channel of the feed writer; the payload lists the campuses whose feeds grew, or is `*`. */
export const feedChannel = 'skooly_edge_feed';

const reconnectDelayMs = 500;

export class FeedSignals {
  readonly #databaseUrl: string;
  readonly #logger: Logger;
  readonly #waiters = new Map<string, Set<() => void>>();

  constructor(databaseUrl: string, logger: Logger) {
    this.#databaseUrl = databaseUrl;
    this.#logger = logger;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#listen(signal);
      } catch (error) {
        if (!signal.aborted) this.#logger.warn({ err: error }, 'lost the feed signals, connects again');
      }
      await sleep(reconnectDelayMs, undefined, { signal }).catch(() => {});
    }
    this.#wake('*');
  }

  /** Resolves when the campus's feed may have grown, `holdMs` has passed, or the reader has gone. */
  async wait(
    campus: string,
    holdMs: number,
    signal: AbortSignal,
    grown: () => Promise<boolean>,
  ): Promise<void> {
    const woken = Promise.withResolvers<void>();
    const waiters = this.#waiters.get(campus) ?? new Set();
    this.#waiters.set(campus, waiters.add(woken.resolve));
    const timer = setTimeout(woken.resolve, holdMs);
    signal.addEventListener('abort', () => woken.resolve(), { once: true });
    try {
      // What came between the reader's look and its waiting is seen by this second look.
      if (!(await grown())) await woken.promise;
    } finally {
      clearTimeout(timer);
      waiters.delete(woken.resolve);
      if (waiters.size === 0) this.#waiters.delete(campus);
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const client = new Client(sessionConfig(this.#databaseUrl, { applicationName: 'skooly-relay signals' }));
    const ended = Promise.withResolvers<void>();
    client.on('error', ended.reject);
    client.on('end', () => ended.resolve());
    client.on('notification', ({ payload = '' }) => {
      for (const campus of payload.split(',')) this.#wake(campus);
    });
    const stop = () => ended.resolve();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await client.connect();
      await client.query(`LISTEN ${feedChannel}`);
      this.#wake('*');
      await ended.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      await client.end().catch(() => {});
    }
  }

  #wake(campus: string): void {
    const sets = campus === '*' ? this.#waiters.values() : [this.#waiters.get(campus)];
    for (const waiters of sets) for (const resolve of waiters ?? []) resolve();
  }
}
