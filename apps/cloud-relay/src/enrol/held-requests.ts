/**
 * Ends what is held for a campus when the trust in it changes: a long poll, a stream of Electric. One LISTEN connection for the
 * whole relay. A signal may be lost while that connection is broken, so nothing is handed out on its word alone: who
 * has waited asks for the session again before it answers. When the connection is back, everything held is ended once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { sessionConfig } from '@skooly-edge/sync-protocol';
import { Client } from 'pg';
import type { Logger } from 'pino';
import { trustChannel } from './enrol.ts';

const reconnectDelayMs = 500;

export interface HeldRequestsOptions {
  databaseUrl: string;
  logger: Logger;
  /** Called at the start, after each break of the connection, and with each change of trust. May be called twice. */
  onTrustChanged(): Promise<void>;
}

export class HeldRequests {
  readonly #options: HeldRequestsOptions;
  readonly #held = new Map<string, Set<AbortController>>();

  constructor(options: HeldRequestsOptions) {
    this.#options = options;
  }

  /** Runs what may take long with a signal that aborts when the campus may no longer be trusted. */
  async hold<T>(campus: string, work: (trustChanged: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const held = this.#held.get(campus) ?? new Set();
    this.#held.set(campus, held.add(controller));
    try {
      return await work(controller.signal);
    } finally {
      held.delete(controller);
      if (held.size === 0 && this.#held.get(campus) === held) this.#held.delete(campus);
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#listen(signal);
      } catch (error) {
        if (!signal.aborted)
          this.#options.logger.warn({ err: error }, 'lost the signals of trust, connects again');
      }
      await sleep(reconnectDelayMs, undefined, { signal }).catch(() => {});
    }
    this.#end([...this.#held.keys()]);
  }

  async #listen(signal: AbortSignal): Promise<void> {
    const { databaseUrl } = this.#options;
    const client = new Client(sessionConfig(databaseUrl, { applicationName: 'skooly-relay trust' }));
    const ended = Promise.withResolvers<void>();
    client.on('error', ended.reject);
    client.on('end', () => ended.resolve());
    client.on('notification', ({ payload = '' }) => this.#changed([payload]));
    const stop = () => ended.resolve();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await client.connect();
      await client.query(`LISTEN ${trustChannel}`);
      this.#changed([...this.#held.keys()]);
      await ended.promise;
    } finally {
      signal.removeEventListener('abort', stop);
      await client.end().catch(() => {});
    }
  }

  #changed(campuses: string[]): void {
    this.#end(campuses);
    this.#options
      .onTrustChanged()
      .catch((error) => this.#options.logger.error({ err: error }, 'a change of trust was not carried out'));
  }

  #end(campuses: string[]): void {
    for (const campus of campuses) for (const controller of this.#held.get(campus) ?? []) controller.abort();
  }
}
