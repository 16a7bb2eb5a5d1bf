/**
 * Puts WAL where the recovering server's `restore_command` finds it: segments are fetched ahead in order, several at a time,
 * and wait in a folder; the command takes a copy of what is there, waits for what is still coming, and says no to what is
 * not part of the plan. What has been taken is removed once the server is well past it, so the disk holds a bounded number.
 *
 * When a segment cannot be had, or this process is gone, the command ends the recovery (status 255) instead of letting the server take it for the end
 * of the WAL.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SealedObject } from '../format/object.ts';
import { pourObject, type Reader } from './objects.ts';
import { giveTo, type Owner } from './postgres/owner.ts';

/** Segments in the folder that the server has not taken yet. */
const AHEAD = 64;
/** While the base is unpacked, which needs the processors for itself: replay keeps one of them busy, so the rest is opened beside it. */
const AHEAD_OF_BASE = 8;
/** Taken segments that stay, since the server may ask again when it ends. */
const BEHIND = 4;
const AT_ONCE = 2;
const POLL_MS = 25;

export interface WalFiles {
  readonly segments: readonly { readonly file: string; readonly objects: readonly SealedObject[] }[];
  readonly histories: readonly { readonly file: string; readonly object: SealedObject }[];
}

export interface WalService {
  /** What `restore_command` is set to. */
  readonly command: string;
  /** The base is unpacked: WAL is fetched further ahead. May be called again. */
  baseIsThere(): void;
  /** Resolves when all is fetched; rejects with the reason when a segment cannot be had. */
  readonly done: Promise<void>;
}

export interface ServeOptions {
  /** Made; must be empty. */
  readonly folder: string;
  readonly files: WalFiles;
  readonly reader: Reader;
  readonly owner: Owner;
  readonly signal: AbortSignal;
  onSegment(cipherBytes: number): void;
}

/**
 * `%f` and `%p` come as arguments 1 and 2. Postgres judges a file by its size, so it gets its name when it is whole: as a second
 * name of the same file, which the server only reads while it recovers, or as a copy where it lies on another disk. The file
 * `taken` says which one was asked for last. It runs for each segment, so it starts one small program where nothing is waited for.
 */
const SCRIPT = `#!/bin/sh
cd "\${0%/*}" || exit 255
if [ ! -e "ready/$1" ]; then
  grep -qx "$1" expected || exit 1
  read -r server < server
  while [ ! -e "ready/$1" ]; do
    [ ! -e failed ] || exit 255
    [ -d "/proc/$server" ] || exit 255
    [ ! -e "gone/$1" ] || exit 1
    sleep 0.02
  done
fi
echo "$1" > taken
ln -f "ready/$1" "$2" 2>/dev/null || { cp "ready/$1" "$2.part" && exec mv "$2.part" "$2"; }
`;

export async function serveWal(options: ServeOptions): Promise<WalService> {
  const { folder, files, owner } = options;
  for (const name of ['', 'ready', 'gone', 'coming']) {
    await mkdir(join(folder, name), { mode: 0o700, recursive: true });
    await giveTo(join(folder, name), owner);
  }
  const expected = [...files.histories, ...files.segments].map(({ file }) => `${file}\n`);
  await writeFile(join(folder, 'expected'), expected.join(''));
  await writeFile(join(folder, 'server'), `${process.pid}\n`);
  await writeFile(join(folder, 'fetch.sh'), SCRIPT);
  await chmod(join(folder, 'fetch.sh'), 0o755);
  const limit = { ahead: AHEAD_OF_BASE };
  const done = fetchAll(options, limit).catch(async (error: unknown) => {
    await writeFile(join(folder, 'failed'), '').catch(() => undefined);
    throw error;
  });
  done.catch(() => undefined);
  const baseIsThere = () => {
    limit.ahead = AHEAD;
  };
  return { command: `sh ${quoted(join(folder, 'fetch.sh'))} "%f" "$PWD/%p"`, baseIsThere, done };
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''").replaceAll('%', '%%')}'`;
}

async function fetchAll(options: ServeOptions, limit: { readonly ahead: number }): Promise<void> {
  const { files, folder, signal } = options;
  for (const { file, object } of files.histories) await fetchOne(options, file, [object]);
  const { segments } = files;
  const numbers = new Map(segments.map(({ file }, number) => [file, number]));
  let taken = -1;
  let next = 0;
  let removed = 0;
  let failed = false;
  const worker = async () => {
    for (let number = next++; number < segments.length && !failed; number = next++) {
      do {
        taken = Math.max(taken, numbers.get(await lastTaken(folder)) ?? -1);
        while (removed < taken - BEHIND) await removeTaken(folder, segments[removed++]?.file);
      } while (number - taken > limit.ahead && (await sleep(POLL_MS, true, { signal })));
      const { file, objects } = segments[number] as WalFiles['segments'][number];
      await fetchOne(options, file, objects);
    }
  };
  const guarded = () =>
    worker().catch((error: unknown) => {
      failed = true;
      throw error;
    });
  await Promise.all(Array.from({ length: AT_ONCE }, guarded));
}

async function fetchOne(
  options: ServeOptions,
  file: string,
  objects: readonly SealedObject[],
): Promise<void> {
  const { folder, reader, owner, signal } = options;
  signal.throwIfAborted();
  const coming = join(folder, 'coming', file);
  await pourObject(objects, reader, { sink: { to: 'file', path: coming }, signal });
  await giveTo(coming, owner);
  await rename(coming, join(folder, 'ready', file));
  options.onSegment(objects[0]?.bytes ?? 0);
}

/** What the script wrote last; empty before the first, or while it writes. */
async function lastTaken(folder: string): Promise<string> {
  const text = await readFile(join(folder, 'taken'), 'utf8').catch(() => '');
  return text.endsWith('\n') ? text.trim() : '';
}

async function removeTaken(folder: string, file: string | undefined): Promise<void> {
  if (file === undefined) return;
  await writeFile(join(folder, 'gone', file), '');
  await rm(join(folder, 'ready', file), { force: true });
}
