/**
 * Repairs by itself what can be repaired without a person, because nothing is lost by it: a log that is gone or damaged, a
 * slot that is gone, a campus database that was restored to an earlier point. Each is noticed, said, mended, and followed by
 * a resync, which finds every row that was changed unseen.
 *
 * Looked at when the box starts and whenever capture fails. It does not mend a campus database that lost what the log
 * never had: nobody has it.
 */
import {
  databaseName,
  ensureSlot,
  readServer,
  type ServerIdentity,
  type SyncError,
} from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import type { Logger } from 'pino';

/** What repairing needs of the sync log. */
export interface RepairedLog {
  /** How the file was found. */
  readonly fresh: 'new' | 'existing' | 'replaced-corrupt';
  /** The server whose WAL the log was captured from; null for a log that has captured nothing. */
  readonly server: ServerIdentity | null;
  rememberServer(server: ServerIdentity): void;
  /** The WAL begins anew: positions that were remembered mean nothing. */
  forgetPosition(): void;
  rebuildTouches(afterSeq: number): void;
}

export interface RepairOptions {
  databaseUrl: string;
  database: Pool;
  log: RepairedLog;
  requestResync(reason: string, mode: 'policy' | 'cloud-wins'): Promise<unknown>;
  logger: Logger;
}

export class Repair {
  readonly #options: RepairOptions;
  #logChecked = false;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  /** Before capture begins. */
  async beforeCapture(): Promise<void> {
    const { database, log } = this.#options;
    const { rows } = await database.query<Record<string, string>>('SELECT stamp_seq, epoch FROM sync.cursor');
    const copied = rows[0];
    const server = await readServer(database);
    if (copied) {
      await this.#lostLog();
      await this.#restoredDatabase(server, Number(copied.stamp_seq));
    }
    log.rememberServer(server);
  }

  /** @returns whether capture can be tried again with a new slot. */
  async lostSlot(error: unknown): Promise<boolean> {
    if ((error as SyncError).code !== 'SLOT_MISSING') return false;
    const { databaseUrl, database, logger, requestResync } = this.#options;
    if (!(await ensureSlot(database, databaseName(databaseUrl)))) return false;
    logger.warn('the replication slot was gone: a new one is made, and a resync finds what it missed');
    await requestResync('the replication slot was lost', 'policy');
    return true;
  }

  /** The campus has its rows, and the log that should tell what of them is not yet pushed begins anew. */
  async #lostLog(): Promise<void> {
    const { log, logger, requestResync } = this.#options;
    if (log.fresh === 'existing' || this.#logChecked) return;
    this.#logChecked = true;
    logger.warn(
      { found: log.fresh },
      'the sync log was lost: a new one begins, and a resync finds what it held',
    );
    await requestResync('the sync log was lost', 'policy');
  }

  /** The log tells what the database no longer knows, and pushes it; after that the cloud knows every row better. */
  async #restoredDatabase(server: ServerIdentity, stampSeq: number): Promise<void> {
    const { databaseUrl, database, log, logger, requestResync } = this.#options;
    const known = log.server;
    if (!known || (known.system === server.system && known.timeline === server.timeline)) return;
    logger.warn({ known, server }, 'the campus database was restored: what it lacks comes from the cloud');
    log.forgetPosition();
    log.rebuildTouches(stampSeq);
    await ensureSlot(database, databaseName(databaseUrl));
    await requestResync('the campus database was restored', 'cloud-wins');
  }
}
