/** How full the spool is, looked at no more than once a second, and what gives way then. */
import { readdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { capacity, giveUp, levelOf, type SpoolLevel, type SpoolLimits } from '../spool/bounds.ts';
import type { Spool } from '../spool/spool.ts';
import type { Tell } from './events.ts';

const freshMs = 1_000;
/** Of a WAL file, until one came that was larger. */
const usualWalBytes = 16 * 1024 * 1024;

export interface RoomFigures {
  readonly level: SpoolLevel;
  readonly bytes: number;
  readonly capacityBytes: number;
}

export class Room {
  readonly #spool: Spool;
  readonly #limits: SpoolLimits;
  readonly #now: () => number;
  readonly #tell: Tell;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #usage = { bytes: 0, diskFreeBytes: 0, nextWalBytes: usualWalBytes };
  #level: SpoolLevel = 'roomy';
  #making: Promise<void> | null = null;

  constructor(spool: Spool, limits: SpoolLimits, now: () => number, tell: Tell) {
    this.#spool = spool;
    this.#limits = limits;
    this.#now = now;
    this.#tell = tell;
  }

  figures(): RoomFigures {
    if (Math.abs(this.#now() - this.#lookedAt) >= freshMs) this.#look();
    return {
      level: this.#level,
      bytes: this.#usage.bytes,
      capacityBytes: capacity(this.#usage, this.#limits),
    };
  }

  /** Whether a WAL file of so many bytes may still be taken; it is counted at once. */
  hasRoom(walBytes: number): boolean {
    this.figures();
    const { bytes, diskFreeBytes, nextWalBytes } = this.#usage;
    if (levelOf({ ...this.#usage, nextWalBytes: walBytes }, this.#limits) === 'full') return false;
    this.#usage = {
      bytes: bytes + walBytes,
      diskFreeBytes: diskFreeBytes - walBytes,
      nextWalBytes: Math.max(nextWalBytes, walBytes),
    };
    return true;
  }

  /** Lets give way what may, when it is tight. */
  makeRoom(): Promise<void> {
    this.#making ??= this.#makeRoom().finally(() => {
      this.#making = null;
    });
    return this.#making;
  }

  async #makeRoom(): Promise<void> {
    this.#look();
    if (this.#level !== 'tight' && this.#level !== 'full') return;
    for (const { name, how, reason } of giveUp(this.#spool.onDisk(), this.#usage, this.#limits)) {
      if (how === 'drop') await this.#spool.drop(name, reason);
      else {
        this.#spool.note('LEFT_DISK', name, reason);
        await this.#spool.leaveDisk(name);
      }
      this.#tell({ event: 'given-up', name, how, reason });
    }
    this.#look();
  }

  #look(): void {
    this.#lookedAt = this.#now();
    const { bavail, bsize } = statfsSync(this.#spool.incoming);
    const bytes = this.#spool.bytesOnDisk() + folderBytes(this.#spool.incoming);
    this.#usage = { ...this.#usage, bytes, diskFreeBytes: bavail * bsize };
    const level = levelOf(this.#usage, this.#limits);
    if (level !== this.#level) this.#tell({ event: 'spool-level', level });
    this.#level = level;
  }
}

function folderBytes(folder: string): number {
  let bytes = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += folderBytes(path);
    else bytes += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
