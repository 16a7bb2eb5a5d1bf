/**
 * Watches the room on the disks that the box writes to, and says what has to give way, in this order: first it warns,
 * then acknowledged transactions go early (the log's keeper asks `short`), then new writes are refused (the gateway asks
 * `mayWrite`), before anything would be lost. The fullest of the folders counts.
 *
 * It does not promise that a disk cannot fill between two looks: a write that fails for lack of room is no harm either,
 * since nothing is confirmed to Postgres before it is in the log, and it counts as `full` here.
 */
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Ballast } from './ballast.ts';
import { type DiskEvent, type DiskState, type DiskThresholds, diskEvent, diskTable } from './states.ts';

export interface DiskSettings extends DiskThresholds {
  intervalMs: number;
}

export interface DiskParts {
  /** The state folder, and Postgres's data where it is on this box. */
  folders: readonly string[];
  settings: DiskSettings;
  ballast: Ballast;
  logger: Logger;
  /** Bytes that this process may still write in the folder. */
  freeBytes(folder: string): Promise<number>;
  /** Whether the last write to the log failed for lack of room. */
  writeFailed(): boolean;
  now(): Date;
}

export interface DiskSnapshot {
  state: DiskState;
  /** ISO 8601. */
  since: string;
  /** The fullest. */
  folder: string;
  /** Null until it was measured. */
  freeBytes: number | null;
  ballastHeld: boolean;
  /** What an operator has to know or do; null while there is room. */
  problem: string | null;
}

/** Of the file system, without the part that is reserved for root. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export class Disk {
  readonly #parts: DiskParts;
  #state: DiskState = 'OK';
  #since: Date;
  #fullest: { folder: string; freeBytes: number } | null = null;
  #unknown: string | null = null;

  constructor(parts: DiskParts) {
    this.#parts = parts;
    this.#since = parts.now();
  }

  /** Whether the box takes new writes. */
  mayWrite(): boolean {
    return this.#state !== 'REFUSE';
  }

  /** Whether acknowledged transactions have to go before their time. */
  short(): boolean {
    return this.#state === 'TRIM' || this.#state === 'REFUSE';
  }

  /** Looks at once, then again after each interval, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#parts.settings.intervalMs, undefined, { signal }).catch(() => {});
    }
  }

  /** One look, and what follows from it. Does not throw. */
  async look(): Promise<void> {
    const event = await this.#measure();
    const next = diskTable[this.#state][event];
    if (next !== this.#state) this.#turn(next, event);
    await this.#useBallast();
  }

  snapshot(): DiskSnapshot {
    const [first = ''] = this.#parts.folders;
    return {
      state: this.#state,
      since: this.#since.toISOString(),
      folder: this.#fullest?.folder ?? first,
      freeBytes: this.#fullest?.freeBytes ?? null,
      ballastHeld: this.#parts.ballast.held(),
      problem: this.#unknown ?? problems[this.#state],
    };
  }

  async #measure(): Promise<DiskEvent> {
    const { folders, settings, freeBytes, writeFailed } = this.#parts;
    try {
      const rooms = await Promise.all(
        folders.map(async (folder) => ({ folder, freeBytes: await freeBytes(folder) })),
      );
      this.#fullest = rooms.reduce((least, room) => (room.freeBytes < least.freeBytes ? room : least));
      this.#unknown = null;
    } catch (error) {
      if (this.#unknown === null)
        this.#parts.logger.warn({ err: error }, 'the free space of the disk cannot be read');
      this.#unknown = `The free space cannot be read: ${(error as Error).message}. Check that every folder of EDGE_DISK_FOLDERS exists.`;
    }
    if (writeFailed()) return 'full';
    return this.#unknown === null && this.#fullest ? diskEvent(this.#fullest.freeBytes, settings) : 'unknown';
  }

  #turn(next: DiskState, event: DiskEvent): void {
    const { logger, now } = this.#parts;
    const room = { ...this.#fullest, event, previous: this.#state };
    this.#state = next;
    this.#since = now();
    if (next === 'OK') logger.info(room, 'the disk has room again');
    else if (next === 'REFUSE') logger.error(room, problems.REFUSE);
    else logger.warn(room, problems[next]);
  }

  async #useBallast(): Promise<void> {
    const { ballast, settings, logger } = this.#parts;
    try {
      if (this.#state === 'REFUSE') await ballast.release();
      const room = this.#fullest?.freeBytes ?? 0;
      if (this.#state === 'OK' && this.#unknown === null && room > settings.warnBytes * 1.2 + ballast.bytes)
        await ballast.take();
    } catch (error) {
      logger.warn({ err: error }, 'the reserve on the disk could not be changed');
    }
  }
}

/** One sentence of what is, one of advice. */
const problems = {
  OK: null,
  WARN: 'The disk has little room left. Remove what is not needed, or give the box a larger disk.',
  TRIM: 'The disk is short of room, so acknowledged transactions are removed early. Make room, or fewer days of a restored cloud can be given back.',
  REFUSE:
    'The disk is nearly full, so the box takes no new writes; reads go on and nothing is lost. Make room at once.',
} as const satisfies Record<DiskState, string | null>;
