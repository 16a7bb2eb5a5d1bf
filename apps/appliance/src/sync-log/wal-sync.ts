/**
 * Makes what SQLite has committed durable without holding up the thread that serves everybody else. In WAL mode with
 * `synchronous = NORMAL` a commit is a write to the WAL beside the file and no sync; this syncs that WAL from the thread pool.
 * Commits that come while one sync runs share the next. A later commit is never durable without all earlier ones, since they are one
 * file written forwards (https://www.sqlite.org/wal.html, "Performance Considerations").
 *
 * Checkpoints sync by themselves before they overwrite anything. A sync that failed is no longer believed: Linux forgets what it could not
 * write, so the WAL is then copied into the file by a checkpoint, with SQLite's own syncs, before anything counts.
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type Database from 'better-sqlite3';

export interface Disk {
  sync(file: number): Promise<void>;
  syncNow(file: number): void;
}

const systemDisk: Disk = { sync: promisify(fdatasync), syncNow: fdatasyncSync };

export class WalSync {
  readonly #database: Database.Database;
  readonly #disk: Disk;
  #file: number | null = null;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  #isInDoubt = false;

  /** @param database In WAL mode, in a file. */
  constructor(database: Database.Database, disk: Disk = systemDisk) {
    this.#database = database;
    this.#disk = disk;
  }

  /** Resolves when everything that was committed before the call is durable. @throws the system's error when the disk fails. */
  settle(): Promise<void> {
    if (this.#running) {
      this.#next ??= this.#running
        .catch(() => {})
        .then(() => {
          this.#next = null;
          return this.settle();
        });
      return this.#next;
    }
    this.#running = this.#sync().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** The same, on this thread. */
  settleNow(): void {
    if (this.#isInDoubt) {
      this.#checkpoint();
      return;
    }
    try {
      this.#disk.syncNow(this.#open());
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    }
  }

  /** What was begun goes to its end. */
  close(): void {
    const file = this.#file;
    this.#file = null;
    if (file === null) return;
    if (this.#running) void this.#running.catch(() => {}).finally(() => closeSync(file));
    else closeSync(file);
  }

  async #sync(): Promise<void> {
    if (this.#isInDoubt) {
      this.#checkpoint();
      return;
    }
    try {
      await this.#disk.sync(this.#open());
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    }
  }

  /** The file keeps its name and its place as long as the database is open; its name has to be durable too. */
  #open(): number {
    if (this.#file === null) {
      const folder = openSync(dirname(this.#database.name), 'r');
      try {
        this.#file = openSync(`${this.#database.name}-wal`, 'r+');
        fsyncSync(folder);
      } finally {
        closeSync(folder);
      }
    }
    return this.#file;
  }

  #checkpoint(): void {
    const [outcome] = this.#database.pragma('wal_checkpoint(TRUNCATE)') as { busy: number }[];
    if (outcome?.busy !== 0) throw new Error('the sync log could not be copied out of its WAL');
    this.#isInDoubt = false;
  }
}
