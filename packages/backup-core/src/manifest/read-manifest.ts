/**
 * Reads the manifest of a site from one region, on a machine that knows nothing but the keys that it trusts: from the newest
 * entry back to the newest checkpoint, each entry verified, and the chain from the one to the other; then the pages of the
 * checkpoint, and what the entries behind it put and removed.
 *
 * Anything wrong is an error that names the object. A file that nobody trusted has signed is passed over only where a
 * trusted entry of the same number stands beside it. It does not look whether the objects are there: a region that lags may
 * lack some. That this is the newest state is known only as far as `remembered` or the other region tells.
 */
import type { TrustedKey } from '../keys/manifest-key.ts';
import type { Head, LiveObject } from './entry.ts';
import { EntryNames } from './entry-names.ts';
import { ManifestError } from './errors.ts';
import type { ManifestStore } from './manifest-store.ts';
import { readPage } from './pages.ts';
import { type EntryFile, manifestPrefix, numberPrefix, verifyEntry } from './signed-entry.ts';

const atOnce = 16;
const defaultFollowBack = 5_000;

export interface ReadOptions {
  site: string;
  trusted: readonly TrustedKey[];
  /** A head that was seen before, here or in another region: the chain must hold it. */
  remembered?: Head;
  /** Read only so far: an operator's decision when what follows is damaged. `remembered` then does not count. */
  upTo?: number;
  /** How far the chain is followed back, behind the newest checkpoint, to reach `remembered`. */
  followBack?: number;
  signal?: AbortSignal;
}

export interface Manifest {
  site: string;
  store: string;
  head: Head;
  live: LiveObject[];
  /** Verified entries in ascending order, from the newest checkpoint (or the remembered head) on. */
  chain: Head[];
  /** Files under a number of the chain that no trusted key signed. */
  foreign: string[];
}

export async function readManifest(store: ManifestStore, options: ReadOptions): Promise<Manifest> {
  const { files, foreign } = await readChain(store, options);
  const chain = files.map(headOf);
  const head = chain.at(-1) as Head;
  if (options.remembered !== undefined && options.upTo === undefined)
    requireRemembered(chain, options.remembered, options.site);
  return {
    site: options.site,
    store: store.name,
    head,
    live: await liveAt(store, files, options),
    chain,
    foreign,
  };
}

/** Entries in ascending order, the first of them a checkpoint or one before it. */
export async function readChain(store: ManifestStore, options: ReadOptions) {
  const { site, remembered, upTo, signal } = options;
  const names = new EntryNames(store, site, signal);
  const top = upTo ?? (await names.newest());
  if (top === null)
    throw new ManifestError(
      'MANIFEST_EMPTY',
      manifestPrefix(site),
      `${store.name} holds no entry of ${site}.`,
    );
  const files: EntryFile[] = [];
  const foreign: string[] = [];
  const wanted = Math.max(
    Math.min(remembered?.number ?? top, top),
    top - (options.followBack ?? defaultFollowBack),
    1,
  );
  let checkpoint = false;
  for (let end = top; end >= 1 && !(checkpoint && end < wanted); end -= atOnce) {
    const numbers = Array.from({ length: Math.min(atOnce, end) }, (_, back) => end - back);
    for (const found of await Promise.all(
      numbers.map((number) => readNumber(store, names, number, options)),
    )) {
      if (checkpoint && (found.file === null || found.number < wanted))
        return { files: files.reverse(), foreign };
      if (found.file === null) throw found.problem ?? gap(site, found.number);
      requireLink(found.file, files.at(-1));
      files.push(found.file);
      foreign.push(...found.foreign);
      checkpoint ||= found.file.entry.checkpoint !== undefined;
    }
  }
  if (!checkpoint) throw gap(site, 1);
  return { files: files.reverse(), foreign };
}

async function readNumber(store: ManifestStore, names: EntryNames, number: number, options: ReadOptions) {
  const files: EntryFile[] = [];
  const problems: ManifestError[] = [];
  for (const name of await names.of(number)) {
    const bytes = await store.get(name, options.signal);
    if (bytes === null) continue;
    try {
      files.push(verifyEntry(name, bytes, options.trusted));
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      problems.push(error);
    }
  }
  const [file, other] = files;
  if (file !== undefined && other !== undefined)
    return { number, file: null, foreign: [], problem: forked(file, other) };
  return { number, file: file ?? null, foreign: problems.map(({ object }) => object), problem: problems[0] };
}

function forked(one: EntryFile, other: EntryFile): ManifestError {
  return new ManifestError('MANIFEST_FORKED', other.name, `${one.name} has the same number.`);
}

function requireLink(file: EntryFile, next: EntryFile | undefined): void {
  if (next === undefined || next.entry.previous === file.sha256) return;
  throw new ManifestError('MANIFEST_BROKEN_CHAIN', next.name, `it does not follow ${file.name}.`);
}

function requireRemembered(chain: Head[], remembered: Head, site: string): void {
  const head = chain.at(-1) as Head;
  if (head.number < remembered.number)
    throw new ManifestError(
      'MANIFEST_OLDER',
      numberPrefix(site, head.number),
      `the chain ends with entry ${head.number}, and ${remembered.number} has been seen.`,
    );
  const there = chain.find(({ number }) => number === remembered.number);
  if (there !== undefined && there.sha256 !== remembered.sha256)
    throw new ManifestError(
      'MANIFEST_FORKED',
      numberPrefix(site, there.number),
      'another entry of this number has been seen.',
    );
}

async function liveAt(store: ManifestStore, files: EntryFile[], options: ReadOptions): Promise<LiveObject[]> {
  const from = files.findLastIndex(({ entry }) => entry.checkpoint !== undefined);
  const references = files[from]?.entry.checkpoint?.pages ?? [];
  const live = new Map<string, LiveObject>();
  for (let start = 0; start < references.length; start += atOnce) {
    const pages = references.slice(start, start + atOnce).map(async (reference) => {
      return readPage(options.site, reference, await store.get(reference.name, options.signal));
    });
    for (const page of await Promise.all(pages)) for (const one of page) live.set(one.object.name, one);
  }
  for (const { entry } of files.slice(from + 1)) {
    for (const object of entry.put) live.set(object.name, { entry: entry.number, object });
    for (const { name } of entry.removed) live.delete(name);
  }
  return [...live.values()];
}

export function headOf({ entry, sha256 }: EntryFile): Head {
  return { number: entry.number, sha256, at: entry.at };
}

function gap(site: string, number: number): ManifestError {
  return new ManifestError('MANIFEST_GAP', numberPrefix(site, number), `entry ${number} is missing.`);
}
