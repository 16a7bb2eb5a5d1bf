/**
 * Takes WAL files onto this disk. A file is taken when its bytes and its name are fsynced; only then does Postgres hear yes.
 * All that is known of a file is in its name, `<file>~<modified, ms>~<sha256>`, so that one rename makes it exist whole.
 *
 * The same bytes again are taken once; other bytes under a name that was taken are refused for ever. What was taken before
 * and has left this folder is asked of `taken`. It does not seal, and removes nothing that was taken.
 *
 * A new segment that can be read where it lies is sealed from there (`sealInPlace`), and never lies here; all else comes as bytes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { free, sweeper } from '../../seal/free.ts';
import { WalError } from './errors.ts';
import { SealInPlace } from './seal-in-place.ts';
import { headerBytes, readSegmentHeader } from './segment-header.ts';
import type { Place, SegmentInPlace } from './wal-in-place.ts';
import { parseWalName, type WalName } from './wal-name.ts';

/** Bytes are gathered to this much before they are written. */
const writeBytes = 1024 * 1024;
/** Of files that are kept on this disk only. */
const maxAside = 16;

export interface WalInboxOptions {
  /** Holds `wal`, `aside` and `part`; made when missing. */
  readonly folder: string;
  /** SHA-256 of a file that was taken and has left the folder; null when it never was. */
  taken(systemIdentifier: string | null, file: string): string | null;
  /** Whether the server that is backed up has this identifier. */
  isOurs(systemIdentifier: string): Promise<boolean>;
  /** @throws WalError WAL_SPOOL_FULL */
  requireRoom(bytes: number): void | Promise<void>;
  /** Whose files may be read where they lie. */
  readonly serverUid?: number | undefined;
  /** Durable when it resolves. @returns false when it could not be sealed: then the bytes are taken as they are. */
  sealInPlace?(segment: SegmentInPlace): Promise<boolean>;
}

export interface TakenFile {
  readonly path: string;
  readonly name: WalName;
  readonly modified: Date;
  readonly sha256: string;
}

export interface WalInbox {
  /** Where taken files appear. */
  readonly folder: string;
  take(file: string, body: Readable, facts: { bytes: number; modified: Date }): Promise<void>;
  /** @returns false when its bytes must be sent. */
  takeInPlace(file: string, place: Place): Promise<boolean>;
}

export function openWalInbox(options: WalInboxOptions): WalInbox {
  const folders = {
    wal: join(options.folder, 'wal'),
    aside: join(options.folder, 'aside'),
    part: join(options.folder, 'part'),
  };
  rmSync(folders.part, { recursive: true, force: true });
  for (const folder of Object.values(folders)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const inFlight = new Set<string>();
  const alone = async <T>(file: string, work: () => Promise<T>): Promise<T> => {
    if (inFlight.has(file)) throw new WalError('WAL_INCOMPLETE', `${file} is being taken already.`);
    inFlight.add(file);
    try {
      return await work();
    } finally {
      inFlight.delete(file);
    }
  };
  const { requireRoom, serverUid: ownerUid, sealInPlace: seal } = options;
  const requireOursToo = (file: string, system: string) => requireOurs(file, system, options);
  const isNew = async (file: string) =>
    (await waiting(folders.wal, file)) === null && options.taken(null, file) === null;
  const inPlace = seal
    ? new SealInPlace({ ownerUid, requireOurs: requireOursToo, requireRoom, alone, isNew, seal })
    : null;
  return {
    folder: folders.wal,
    async take(file, body, facts) {
      const name = parseWalName(file);
      await options.requireRoom(facts.bytes);
      const part = join(folders.part, `${file}-${randomBytes(4).toString('hex')}`);
      await alone(file, async () => {
        try {
          const arrived = await write(part, body);
          await place(part, { name, ...facts, ...arrived }, folders, options);
          if (name.kind === 'aside') await trimAside(folders.aside);
        } finally {
          await rm(part, { force: true });
        }
      });
    },
    async takeInPlace(file, place) {
      const name = parseWalName(file);
      return name.kind === 'segment' && inPlace !== null && (await inPlace.take(name, place));
    },
  };
}

async function requireOurs(file: string, system: string, { isOurs }: WalInboxOptions): Promise<void> {
  if (!(await isOurs(system))) throw new WalError('WAL_FOREIGN', `${file} is of the server ${system}.`);
}

interface Arrived {
  readonly sha256: string;
  readonly size: number;
  /** The beginning of the file. */
  readonly head: Buffer;
}

/** Written and fsynced; the next bytes are hashed while the last ones are written. */
async function write(path: string, body: Readable): Promise<Arrived> {
  const hash = createHash('sha256');
  const file = await open(path, 'wx', 0o600);
  let head: Buffer = Buffer.alloc(0);
  let size = 0;
  let batch: Buffer[] = [];
  let batchBytes = 0;
  const sweep = sweeper();
  let writing: Promise<unknown> = Promise.resolve();
  const flush = async () => {
    await writing;
    writing = writeAll(file, batch);
    // Its failure is met by the next flush.
    writing.catch(() => undefined);
    batch = [];
    batchBytes = 0;
  };
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      if (head.length < headerBytes) head = Buffer.concat([head, chunk.subarray(0, headerBytes)]);
      hash.update(chunk);
      batch.push(chunk);
      batchBytes += chunk.length;
      size += chunk.length;
      sweep(chunk.length);
      if (batchBytes >= writeBytes) await flush();
    }
    if (batchBytes > 0) await flush();
    await writing;
    await file.datasync();
  } finally {
    await writing.catch(() => undefined);
    await file.close();
  }
  return { sha256: hash.digest('hex'), size, head };
}

async function writeAll(file: FileHandle, batch: Buffer[]): Promise<void> {
  const wanted = batch.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev(batch);
  if (bytesWritten !== wanted) await file.appendFile(Buffer.concat(batch).subarray(bytesWritten));
  for (const chunk of batch) free(chunk);
}

async function place(
  part: string,
  file: Arrived & { name: WalName; bytes: number; modified: Date },
  folders: { wal: string; aside: string },
  options: WalInboxOptions,
): Promise<void> {
  const { name, sha256 } = file;
  if (file.size !== file.bytes)
    throw new WalError('WAL_INCOMPLETE', `${name.file}: ${file.size} of ${file.bytes} bytes came.`);
  const system =
    name.kind === 'segment' ? readSegmentHeader(name.file, file.head, file.size).systemIdentifier : null;
  if (system !== null) await requireOurs(name.file, system, options);
  const folder = name.kind === 'aside' ? folders.aside : folders.wal;
  const known = (await waiting(folder, name.file)) ?? options.taken(system, name.file);
  if (known === sha256) return;
  if (known !== null)
    throw new WalError(
      'WAL_DIFFERENT',
      `${name.file} was taken before with other bytes (${known.slice(0, 12)}…).`,
    );
  await rename(part, join(folder, `${name.file}~${file.modified.getTime()}~${sha256}`));
  await syncFolder(folder);
}

/** SHA-256 of a file that waits in the folder. */
async function waiting(folder: string, file: string): Promise<string | null> {
  const found = (await readdir(folder)).find((entry) => entry.startsWith(`${file}~`));
  return found?.split('~')[2] ?? null;
}

/** What a name in the folder says; null for what is none of ours. */
export function readTakenName(folder: string, entry: string): TakenFile | null {
  const match = /^([0-9A-F.a-z]+)~(\d+)~([0-9a-f]{64})$/.exec(entry);
  if (!match) return null;
  const [, file = '', modified = '', sha256 = ''] = match;
  return {
    path: join(folder, entry),
    name: parseWalName(file),
    modified: new Date(Number(modified)),
    sha256,
  };
}

/** Every taken file, in the order of the WAL, history files first in their timeline. */
export function takenFiles(folder: string): TakenFile[] {
  return readdirSync(folder)
    .sort()
    .map((entry) => readTakenName(folder, entry))
    .filter((taken) => taken !== null);
}

async function trimAside(folder: string): Promise<void> {
  const entries = (await readdir(folder)).sort();
  for (const entry of entries.slice(0, Math.max(0, entries.length - maxAside))) await rm(join(folder, entry));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
