/**
 * The backups of this box: its database, and the sync log with what the cloud has not heard of. Run by `backup-core` from the
 * same file that `skooly-backup` reads, so that every command of it works here too.
 *
 * They never stand in the way of the school: what keeps them from running is logged, shown in the status, and tried again. It does
 * not promise that the box survives: that is what the regions are for.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { SyncLog } from '../sync-log/sync-log.ts';
import { logSource } from './log-source.ts';

const retryDelayMs = 60_000;

export interface BackupOptions {
  /** The JSON file of `skooly-backup`. */
  configFile: string;
  log: SyncLog;
  logger: Logger;
}

export interface BackupSummary {
  /** Why they do not run; null while they do. */
  problem: string | null;
  /** What of the database would be lost with the box, in seconds; null: not known, or nothing could be brought back. */
  rpoSeconds: number | null;
  /** Sentences for a person. */
  alarms: string[];
}

export class Backup {
  readonly #options: BackupOptions;
  #problem: string | null = 'they have not begun yet';
  #hurry: () => void = () => {};

  constructor(options: BackupOptions) {
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { configFile, log, logger } = this.#options;
    while (!signal.aborted) {
      try {
        const { openRegion, readBackupConfig, runBackups } = await import('@skooly-edge/backup-core');
        const config = readBackupConfig(configFile);
        this.#problem = null;
        const onRunning = (engine: { hurry(): void }) => {
          this.#hurry = () => engine.hurry();
        };
        await runBackups(config, { openRegion, signal, log: logger, syncLog: logSource(log), onRunning });
      } catch (error) {
        if (signal.aborted) return;
        this.#problem = error instanceof Error ? error.message : String(error);
        logger.error({ err: error }, 'backups stopped, they start again');
      }
      this.#hurry = () => {};
      await sleep(retryDelayMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Regions that did not answer are asked again at once. */
  linkIsBack(): void {
    this.#hurry();
  }

  async summary(now: Date): Promise<BackupSummary> {
    if (this.#problem !== null) return { problem: this.#problem, rpoSeconds: null, alarms: [] };
    const { daemonStatus, readBackupConfig } = await import('@skooly-edge/backup-core');
    const status = await daemonStatus(readBackupConfig(this.#options.configFile), now);
    return {
      problem: null,
      rpoSeconds: status?.rpo.seconds ?? null,
      alarms: status?.alarms.map(({ en }) => en) ?? [],
    };
  }
}
