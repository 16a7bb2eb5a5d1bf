/**
 * Keeps an eye on what is parked: tries it again when a table that it waits for changes, when a person has decided, and once
 * when the relay starts, since the schema or the sync map may be others by now.
 *
 * It learns of changes from the feed writer, in the relay that is elected to write; a retry that two relays begin at once
 * happens once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { conflictTable } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { CloudStore } from './cloud-store.ts';
import { hasNothingToCarryOut } from './postgres-cloud.ts';
import { retryParked } from './retry-parked.ts';

export interface ParkedKeeperOptions {
  store: CloudStore;
  queries: Pool;
  logger: Logger;
  now(): Date;
  monotonicMs(): number;
}

/** Changes of this long are answered with one try. */
const gatherMs = 250;

/**
 * A try holds up what the campus pushes, and where much is parked it takes seconds. So after one that got nothing through, changed tables wait
 * as long as it took, twice as long after the next, and so on up to these bounds. A person's decision does not wait.
 */
const maxRestFactor = 8;
const maxRestMs = 60_000;

/** After a try that broke off. */
const retryDelayMs = 5_000;

export class ParkedKeeper {
  readonly #options: ParkedKeeperOptions;
  readonly #touched = new Set<string>();
  #everything = true;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #restUntilMs = Number.NEGATIVE_INFINITY;
  /** Of the rest that follows the next try without success. */
  #restFactor = 1;

  constructor(options: ParkedKeeperOptions) {
    this.#options = options;
  }

  /** Commits of the cloud have changed these tables. */
  touched(tables: Iterable<string>): void {
    for (const table of tables) this.#touched.add(table);
    if (this.#touched.size > 0) this.#wake.resolve();
  }

  /** The schema or the sync map is another one. */
  tryEverything(): void {
    this.#everything = true;
    this.#wake.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    const stopped = () => this.#wake.resolve();
    signal.addEventListener('abort', stopped, { once: true });
    this.#wake.resolve();
    while (!signal.aborted) {
      await this.#wake.promise;
      await sleep(gatherMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) break;
      this.#wake = Promise.withResolvers();
      try {
        await this.#retry();
      } catch (error) {
        this.#options.logger.warn(
          { err: error },
          'parked transactions could not be tried again, once more later',
        );
        this.tryEverything();
        await sleep(retryDelayMs, undefined, { signal }).catch(() => {});
      }
    }
    signal.removeEventListener('abort', stopped);
  }

  async #retry(): Promise<void> {
    const { store, queries, logger, now, monotonicMs } = this.#options;
    const beganAtMs = monotonicMs();
    const everything = this.#everything;
    const touched = this.#takeTouched(beganAtMs);
    this.#everything = false;
    if (!everything && touched.size === 0) return;
    const { rows } = await queries.query<{ campus: string }>(
      `SELECT DISTINCT campus FROM sync.parked WHERE $1::boolean OR waits_for && $2::text[]
         OR ($3::boolean AND conflict_id IN (SELECT id FROM sync.conflict WHERE status = 'decided'))
       UNION
       SELECT campus FROM sync.conflict c WHERE ($1::boolean OR $3::boolean) AND ${hasNothingToCarryOut}
       UNION
       SELECT d.campus FROM sync.dropped d JOIN sync.conflict c ON c.id = d.conflict_id
       WHERE ($1::boolean OR $3::boolean) AND NOT (c.status = 'decided' AND c.decision ->> 'action' = 'drop')`,
      [everything, [...touched], touched.has(conflictTable)],
    );
    let through = 0;
    for (const { campus } of rows) {
      const isDue = (parked: { waitsFor: readonly string[] }) =>
        everything || parked.waitsFor.some((table) => touched.has(table));
      const result = await retryParked(store, campus, isDue, now());
      if (result.applied + result.dropped > 0)
        logger.info({ campus, ...result }, 'parked transactions were tried again');
      through += result.applied + result.dropped;
    }
    if (rows.length > 0) this.#rest(monotonicMs() - beganAtMs, through > 0);
  }

  #rest(tookMs: number, gotThrough: boolean): void {
    if (gotThrough) this.#restFactor = 1;
    const restMs = Math.min(this.#restFactor * tookMs, maxRestMs);
    this.#restUntilMs = Math.max(this.#restUntilMs, this.#options.monotonicMs() + restMs);
    if (!gotThrough) this.#restFactor = Math.min(2 * this.#restFactor, maxRestFactor);
  }

  /** What is to be answered now; what is left wakes the keeper when its time has come. */
  #takeTouched(nowMs: number): Set<string> {
    const restMs = this.#restUntilMs - nowMs;
    const due = [...this.#touched].filter((table) => restMs <= 0 || table === conflictTable);
    for (const table of due) this.#touched.delete(table);
    if (this.#touched.size > 0) setTimeout(() => this.#wake.resolve(), restMs).unref();
    return new Set(due);
  }
}
