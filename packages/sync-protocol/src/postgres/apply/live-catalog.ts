/**
 * The catalogue of a database whose schema may change while the engine runs: every few seconds, and when somebody asks,
 * a fingerprint of the synced tables is compared; when it is another one, the catalogue is read anew. The sync map
 * is the one of the newest migration that carried one, or the file that the daemon was started with.
 *
 * A catalogue never changes: whoever took `current` at the beginning of a transaction keeps one picture to its end. A schema that
 * does not fit the sync map leaves the last one that did in use, and `problem` says why. It does not promise that
 * `current` is the schema of this instant: only that a `refresh` has seen every schema change that was committed before it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { SyncError } from '../../errors.ts';
import { mapInForce } from '../../migration/map-in-force.ts';
import type { SyncMap } from '../../sync-map/sync-map.ts';
import { type Catalog, type LiveCatalog, readCatalog } from './catalog.ts';

export interface WatchedCatalogOptions {
  /** Connections of `sessionConfig`; one is used at a time, for one question. */
  pool: Pool;
  /** The sync map as long as no migration has brought one. */
  syncMap: SyncMap;
  /** Between two looks of `run`. */
  intervalMs?: number;
}

const usualIntervalMs = 3_000;

/** Everything that a catalogue says, and unique indexes, in one short text. */
const fingerprintQuery = `
  WITH synced AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1)
  ), facts AS (
    SELECT concat_ws(' ', 'column', c.oid, a.attnum, a.attname, a.atttypid, a.attnotnull, a.attgenerated, a.attidentity) AS fact
    FROM synced c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT concat_ws(' ', 'name', c.oid, k.relnamespace, k.relname, k.relreplident)
    FROM synced c JOIN pg_class k ON k.oid = c.oid
    UNION ALL
    SELECT concat_ws(' ', 'constraint', k.oid, k.conname, k.contype, k.conkey, k.confrelid, k.confkey)
    FROM pg_constraint k WHERE k.conrelid IN (SELECT oid FROM synced) OR k.confrelid IN (SELECT oid FROM synced)
    UNION ALL
    SELECT concat_ws(' ', 'index', i.indexrelid, i.indrelid, i.indkey, i.indisunique, i.indisprimary)
    FROM pg_index i WHERE i.indisunique AND i.indrelid IN (SELECT oid FROM synced)
  )
  SELECT md5(string_agg(fact, E'\\n' ORDER BY fact)) AS schema,
         (SELECT max(number) FROM sync.migration WHERE sync_map IS NOT NULL) AS map_number
  FROM facts`;

export class WatchedCatalog implements LiveCatalog {
  readonly #options: WatchedCatalogOptions;
  readonly #listeners = new Set<(catalog: Catalog) => void>();
  #current: Catalog;
  #fingerprint = '';
  /** The newest map that was seen, also while the schema does not fit it. */
  #map: SyncMap;
  #problem: SyncError | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  /** @throws SyncError SCHEMA_MISMATCH when the database does not fit the sync map as it begins. */
  static async open(options: WatchedCatalogOptions): Promise<WatchedCatalog> {
    const catalog = new WatchedCatalog(options);
    await catalog.refresh();
    if (catalog.#problem) throw catalog.#problem;
    return catalog;
  }

  private constructor(options: WatchedCatalogOptions) {
    this.#options = options;
    this.#map = options.syncMap;
    this.#current = { syncMap: options.syncMap, tables: new Map() };
  }

  get current(): Catalog {
    return this.#current;
  }

  /** Why the schema as it stands is not in use; null when it is. */
  get problem(): SyncError | null {
    return this.#problem;
  }

  /** Called after `current` has become another one, and never for one that does not fit. @returns how to stop listening. */
  onChange(listener: (catalog: Catalog) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @returns whether `current` is another one now. @throws what the database throws; `current` stands then. */
  refresh(): Promise<boolean> {
    const look = this.#queue.then(() => this.#look());
    this.#queue = look.catch(() => {});
    return look;
  }

  /** Looks again and again until the signal aborts. A database that is away is asked again at the next turn. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs = usualIntervalMs } = this.#options;
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, { signal }).catch(() => {});
      if (!signal.aborted) await this.refresh().catch(() => {});
    }
  }

  async #look(): Promise<boolean> {
    if ((await this.#readFingerprint()) === this.#fingerprint) {
      this.#problem = null;
      return false;
    }
    const client = await this.#options.pool.connect();
    let broken: Error | undefined;
    try {
      // Columns, keys and their fingerprint are of one moment.
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      this.#map = await mapInForce(client, this.#options.syncMap);
      const fingerprint = await this.#readFingerprint(client);
      this.#current = await readCatalog(client, this.#map);
      this.#fingerprint = fingerprint;
      this.#problem = null;
      await client.query('COMMIT');
    } catch (error) {
      if (error instanceof SyncError) {
        this.#problem = error;
        await client.query('ROLLBACK');
        return false;
      }
      broken = error as Error;
      throw error;
    } finally {
      client.release(broken);
    }
    for (const listener of this.#listeners) listener(this.#current);
    return true;
  }

  async #readFingerprint(client: Pick<Pool, 'query'> = this.#options.pool): Promise<string> {
    const names = [...this.#map.tables.keys()];
    const { rows } = await client.query<Record<string, string | null>>(fingerprintQuery, [names]);
    return `${rows[0]?.map_number ?? ''} ${rows[0]?.schema ?? ''}`;
  }
}
