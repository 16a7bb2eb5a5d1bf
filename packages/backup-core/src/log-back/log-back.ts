/**
 * Brings the sync log of a box back out of the regions, as a file of lines that `skooly-edge adopt-log` takes: what the box had
 * written and not yet sent is in it, though nothing of the box is left.
 *
 * Choose the epoch, hold its ranges together, read each against the signed manifest, write. Lines that several objects hold
 * must be the same in each. The file has its name only when it is whole and on the disk. It does not say what of it the cloud
 * has already: whoever adopts it asks the cloud.
 */
import { createHash } from 'node:crypto';
import { chmod, type FileHandle, open, rename, rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { SealedObject } from '../format/object.ts';
import { type Reader, readObject } from '../restore/objects.ts';
import { type Progress, ProgressTeller } from '../restore/progress.ts';
import { SyncLogError } from './errors.ts';
import {
  beginningWith,
  chooseEpoch,
  type JoinedLog,
  joinRanges,
  type Piece,
  requireWhole,
} from './join-ranges.ts';
import { type LogHead, linesOf, logFormat } from './lines.ts';

export interface LogBackOptions {
  readonly site: string;
  readonly objects: readonly SealedObject[];
  readonly reader: Reader;
  /** Must not be there. */
  readonly file: string;
  /** Otherwise the newest. */
  readonly epoch?: string | undefined;
  /** Leaves out what lies before: a person's decision where there is a gap. */
  readonly from?: number | undefined;
  readonly nowMs: () => number;
  readonly signal: AbortSignal;
  onChoice?(log: JoinedLog, others: readonly JoinedLog[]): void;
  onProgress?(progress: Progress): void;
}

export interface LogBack {
  readonly log: JoinedLog;
  readonly file: string;
  /** Of the file. */
  readonly bytes: number;
  readonly tookMs: number;
}

/** @throws SyncLogError, and what opening an object throws. No file is left then. */
export async function bringLogBack(options: LogBackOptions): Promise<LogBack> {
  const begun = options.nowMs();
  const logs = joinRanges(options.objects);
  const chosen = chooseEpoch(logs, options.epoch);
  const log = options.from === undefined ? chosen : beginningWith(chosen, options.from);
  options.onChoice?.(
    log,
    logs.filter((one) => one !== chosen),
  );
  requireWhole(log);
  await requireNew(options.file);
  const part = `${options.file}.part`;
  const handle = await open(part, 'w', 0o600).catch((cause: unknown) => {
    throw new SyncLogError('SYNC_LOG_FILE', `${part} cannot be written.`, { cause });
  });
  try {
    await chmod(part, 0o600);
    const bytes = await writeLog(log, handle, options);
    await handle.sync();
    await rename(part, options.file);
    return { log, file: options.file, bytes, tookMs: options.nowMs() - begun };
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

async function requireNew(file: string): Promise<void> {
  const there = await open(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new SyncLogError('SYNC_LOG_FILE', `${file} cannot be used.`, { cause: error });
  });
  await there?.close();
  if (there) throw new SyncLogError('SYNC_LOG_FILE', `${file} is there already.`);
}

async function writeLog(
  log: JoinedLog,
  handle: FileHandle,
  { site, reader, nowMs, onProgress, signal }: LogBackOptions,
): Promise<number> {
  const { epoch, fromSeq, toSeq } = log;
  const says: LogHead = { format: logFormat, site, epoch, fromSeq, toSeq };
  const head = Buffer.from(`${JSON.stringify(says)}\n`);
  const file = new LinesFile(handle, log, head.length);
  await writeAll(handle, head, 0);
  const tell = new ProgressTeller(onProgress ?? (() => undefined), nowMs);
  const total = log.pieces.reduce((sum, { objects }) => sum + (objects[0]?.bytes ?? 0), 0);
  let done = 0;
  for (const piece of log.pieces) {
    signal.throwIfAborted();
    const problem = await readObject(
      piece.objects,
      reader,
      (plain) => file.take(piece, plain),
      (count) => {
        done += count;
        tell.at('sync-log', Math.min(done, total), total, 'bytes');
      },
    );
    if (problem) throw problem;
  }
  tell.at('ready', 1, 1, 'bytes');
  return file.bytes;
}

/** Of a line that is held twice. */
const digestBytes = 16;
const writeBytes = 1024 * 1024;

/** Writes each number once. A piece that fails in the middle is written over by the next attempt at it. */
class LinesFile {
  readonly #handle: FileHandle;
  readonly #log: JoinedLog;
  /** Of every line, where lines are held twice. */
  readonly #digests: Buffer | null;
  #bytes: number;
  #written: number;

  constructor(handle: FileHandle, log: JoinedLog, bytes: number) {
    this.#handle = handle;
    this.#log = log;
    this.#bytes = bytes;
    this.#written = log.fromSeq - 1;
    const count = log.toSeq - log.fromSeq + 1;
    this.#digests = log.overlaps.length > 0 ? Buffer.alloc(count * digestBytes) : null;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns what is wrong though it is what was signed: no other region has it better. */
  async take({ fromSeq, toSeq, objects }: Piece, plain: Readable): Promise<SyncLogError | null> {
    const name = objects[0]?.name ?? '';
    let seq = fromSeq - 1;
    let position = this.#bytes;
    let differs: number | null = null;
    let waiting: Buffer[] = [];
    let waitingBytes = 0;
    const flush = async () => {
      await writeAll(this.#handle, Buffer.concat(waiting), position);
      position += waitingBytes;
      [waiting, waitingBytes] = [[], 0];
    };
    for await (const line of linesOf(plain)) {
      seq++;
      if (seq > toSeq || seq < this.#log.fromSeq) continue;
      const isSame = this.#compare(seq, line);
      if (seq <= this.#written) {
        if (!isSame) differs ??= seq;
        continue;
      }
      waiting.push(Buffer.concat([line, Buffer.from('\n')]));
      waitingBytes += line.length + 1;
      if (waitingBytes >= writeBytes) await flush();
    }
    if (waitingBytes > 0) await flush();
    // Only now is it known that these are the bytes that were signed.
    if (seq !== toSeq)
      return new SyncLogError(
        'SYNC_LOG_DIFFERS',
        `${name} holds ${seq - fromSeq + 1} lines, for ${fromSeq} to ${toSeq}.`,
      );
    if (differs !== null)
      return new SyncLogError(
        'SYNC_LOG_DIFFERS',
        `${name} has other words for ${differs} than the object before it.`,
      );
    if (toSeq <= this.#written) return null;
    await this.#handle.truncate(position);
    [this.#bytes, this.#written] = [position, toSeq];
    return null;
  }

  /** Remembers a line that is new; says whether one that was written is the same. */
  #compare(seq: number, line: Buffer): boolean {
    if (this.#digests === null) return true;
    const digest = createHash('sha256').update(line).digest().subarray(0, digestBytes);
    const place = this.#digests.subarray((seq - this.#log.fromSeq) * digestBytes).subarray(0, digestBytes);
    if (seq <= this.#written) return place.equals(digest);
    digest.copy(place);
    return true;
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; )
    at += (await handle.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}
