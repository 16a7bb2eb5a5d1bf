/**
 * Takes in the log of a box that died: what its last backup held and the cloud had not yet heard is pushed under the old log's
 * own epoch, from where the cloud's cursor for it stands. It comes down to this box like any commit of the cloud, since this
 * box has a log of its own and never had those rows.
 *
 * The file is copied first, and stays as it is. May be called again, and after any cut: the cursor tells what is left. It does
 * not promise that the old log was complete: what was written after the backup is nowhere.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { BatchSize } from '../push/batch-size.ts';
import { drain, type PushTarget } from '../push/drain.ts';
import { ReadyRuns } from '../push/ready-runs.ts';
import { logFileName, openFile } from '../sync-log/log-file.ts';
import { SyncLog } from '../sync-log/sync-log.ts';

export class AdoptError extends Error {
  readonly code: 'LOG_NOT_FOUND' | 'LOG_IS_OWN';
  readonly advice: string;

  constructor(code: AdoptError['code'], message: string, advice: string) {
    super(message);
    this.name = 'AdoptError';
    this.code = code;
    this.advice = advice;
  }
}

export interface AdoptOptions {
  /** The old log: its file, or the folder that it lies in. */
  path: string;
  /** Folder for the copy. */
  stateDir: string;
  /** The epoch of this box's own log. */
  ownEpoch: string;
  relay: PushTarget;
  onProgress?(adopted: Adopted): void;
}

export interface Adopted {
  epoch: string;
  /** Transactions that the cloud had not heard of. */
  pushed: number;
  /** The last one that the old log has. */
  lastSeq: number;
}

/** @throws AdoptError, LogError, or what kept it from reaching the relay. */
export async function adoptLog(options: AdoptOptions, signal: AbortSignal): Promise<Adopted> {
  const file = existsSync(join(options.path, logFileName)) ? join(options.path, logFileName) : options.path;
  if (!existsSync(file)) {
    throw new AdoptError(
      'LOG_NOT_FOUND',
      `There is no sync log at ${file}.`,
      `Name the file ${logFileName} of the old box, or its folder.`,
    );
  }
  const folder = mkdtempSync(join(options.stateDir, 'adopt-'));
  try {
    const copy = join(folder, logFileName);
    for (const suffix of ['', '-wal'])
      if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
    const log = new SyncLog(openFile(copy), () => false);
    try {
      return await pushAll(log, options, signal);
    } finally {
      log.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function pushAll(log: SyncLog, options: AdoptOptions, signal: AbortSignal): Promise<Adopted> {
  if (log.epoch === options.ownEpoch) {
    throw new AdoptError(
      'LOG_IS_OWN',
      'This is the log that the box itself keeps.',
      'Nothing needs to be done: the box pushes it by itself.',
    );
  }
  let first: number | null = null;
  const adopted = () => ({ epoch: log.epoch, pushed: log.acknowledged - (first ?? 0), lastSeq: log.lastSeq });
  const { relay } = options;
  await drain(
    {
      log,
      relay: {
        sync: (epoch, limit) => relay.sync(epoch, limit),
        pack: (lines) => relay.pack(lines),
        push: (header, packed, limit) => relay.push({ ...header, adopted: true }, packed, limit),
      },
      ready: new ReadyRuns(log, (lines) => relay.pack(lines)),
      batchSize: new BatchSize(),
      monotonicMs: () => performance.now(),
      onAnswer() {
        first ??= log.acknowledged;
        options.onProgress?.(adopted());
      },
    },
    signal,
  );
  return adopted();
}
