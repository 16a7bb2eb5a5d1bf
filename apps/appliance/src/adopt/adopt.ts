/**
 * Takes in the log of a box that died, from its disk or from the backups: what the cloud had not yet heard is pushed under the
 * old log's own epoch, from where the cloud's cursor for it stands. It comes down to this box like any commit of the cloud, since
 * this box has a log of its own and never had those rows.
 *
 * The file is copied first, and stays as it is. May be called again, and after any cut: the cursor tells what is left. It does
 * not promise that the old log was complete: what was written after the backup is nowhere.
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { BatchSize } from '../push/batch-size.ts';
import { drain, type PushAnswer, type PushTarget } from '../push/drain.ts';
import { ReadyRuns } from '../push/ready-runs.ts';
import { logFileName, openFile } from '../sync-log/log-file.ts';
import { SyncLog } from '../sync-log/sync-log.ts';
import { AdoptError } from './errors.ts';
import { fillFromLines, isLinesFile } from './log-from-lines.ts';

export interface AdoptOptions {
  /** The old log: its file, the folder that it lies in, or what `skooly-backup sync-log` wrote. */
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
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new AdoptError(
      'LOG_NOT_FOUND',
      `There is no sync log at ${file}.`,
      `Name the file ${logFileName} of the old box, its folder, or what skooly-backup sync-log wrote.`,
    );
  }
  const folder = mkdtempSync(join(options.stateDir, 'adopt-'));
  try {
    const copy = join(folder, logFileName);
    const log = await openCopy(file, copy);
    try {
      return await pushAll(log, options, signal);
    } finally {
      log.close();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function openCopy(file: string, copy: string): Promise<SyncLog> {
  const hasLines = await isLinesFile(file);
  for (const suffix of hasLines ? [] : ['', '-wal'])
    if (existsSync(file + suffix)) copyFileSync(file + suffix, copy + suffix);
  const database = openFile(copy);
  try {
    if (hasLines) await fillFromLines(file, database);
    return new SyncLog(database, () => false);
  } catch (error) {
    database.close();
    throw error;
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
        sync: async (epoch, limit) => placed(log, await relay.sync(epoch, limit)),
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

/** Where the cloud stands in this log. It may have heard more than a backup holds; what it lacks must all be there. */
function placed(log: SyncLog, answer: PushAnswer): PushAnswer {
  const { epoch, seq } = answer.cursor;
  if (seq + 1 < log.firstSeq) {
    throw new AdoptError(
      'LOG_BEGINS_LATE',
      `The cloud has the old log up to transaction ${seq}, and what was found of it begins with ${log.firstSeq}.`,
      'Look for what lies between: in the other region, in an earlier epoch of the manifest (--up-to), or on the disk of the old box.',
    );
  }
  log.rewindAcknowledged(seq);
  return { ...answer, cursor: { epoch, seq: Math.min(seq, log.lastSeq) } };
}
