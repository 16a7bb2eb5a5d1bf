/**
 * Takes a manifest over from the regions, for a machine that has lost its own state or replaces another one. A person decides
 * that the earlier writer is stopped: two machines that go on from one entry fork the chain.
 */
import { mkdir, readdir } from 'node:fs/promises';
import type { TrustedKey } from '../keys/manifest-key.ts';
import type { Head } from './entry.ts';
import { ManifestError } from './errors.ts';
import { Journal } from './journal.ts';
import type { ManifestStore } from './manifest-store.ts';
import { readPage } from './pages.ts';
import { headOf, readChain } from './read-manifest.ts';
import { readRegions } from './read-regions.ts';

export interface AdoptOptions {
  site: string;
  trusted: readonly TrustedKey[];
  /** Empty or missing. */
  dir: string;
  /** Those that can be asked; one that cannot is brought the latest checkpoint and what follows, later. */
  stores: readonly ManifestStore[];
  signal?: AbortSignal;
}

/** Afterwards `ManifestWriter.open` goes on behind the returned head, and brings regions that are behind what they lack. */
export async function adoptManifest({ site, trusted, dir, stores, signal }: AdoptOptions): Promise<Head> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0)
    throw new ManifestError('MANIFEST_STATE', dir, 'the folder is not empty; move it away first.');
  const { manifest, behind, failed } = await readRegions(stores, { site, trusted, signal });
  const damaged = failed.find(
    ({ error }) => !(error instanceof ManifestError && error.code === 'MANIFEST_EMPTY'),
  );
  if (damaged !== undefined) throw damaged.error;
  const best = stores.find(({ name }) => name === manifest.store) as ManifestStore;
  const furthestBehind = behind.toSorted((a, b) => a.head.number - b.head.number)[0]?.head;
  const { files } = await readChain(best, {
    site,
    trusted,
    remembered: furthestBehind,
    followBack: Number.POSITIVE_INFINITY,
    signal,
  });
  const journal = new Journal(dir);
  await journal.entries(site, trusted);
  for (const reference of files.flatMap(({ entry }) => entry.checkpoint?.pages ?? [])) {
    if ((await journal.page(reference)) !== null) continue;
    const bytes = await best.get(reference.name, signal);
    await readPage(site, reference, bytes);
    await journal.addPage(reference.name, bytes as Uint8Array);
  }
  for (const file of files) await journal.addEntry(file);
  const heads = new Map(behind.map(({ store, head }) => [store, head.number]));
  const read = stores.filter(({ name }) => !failed.some(({ store }) => store === name));
  await journal.saveDelivered(
    new Map(read.map(({ name }) => [name, heads.get(name) ?? manifest.head.number])),
  );
  return headOf(files.at(-1) as (typeof files)[number]);
}
