/**
 * Reads the manifest from every region and holds the regions to one another: the one that is furthest on counts, and
 * the chain of every other must be the beginning of it. So an old state that was put back into one region is noticed.
 */
import type { Head } from './entry.ts';
import { ManifestError } from './errors.ts';
import type { ManifestStore } from './manifest-store.ts';
import { type Manifest, type ReadOptions, readManifest } from './read-manifest.ts';
import { numberPrefix } from './signed-entry.ts';

export interface RegionsRead {
  manifest: Manifest;
  /** Regions whose chain is whole, and ends earlier: they lag, or were set back. */
  behind: { store: string; head: Head }[];
  /** Regions that could not be read, or whose manifest is damaged. */
  failed: { store: string; error: unknown }[];
}

/** Throws the first error when no region can be read, and MANIFEST_FORKED when two regions tell different stories. */
export async function readRegions(
  stores: readonly ManifestStore[],
  options: ReadOptions,
): Promise<RegionsRead> {
  const results = await Promise.allSettled(stores.map((store) => readManifest(store, options)));
  const failed = results.flatMap((result, index) =>
    result.status === 'rejected' ? [{ store: nameOf(stores, index), error: result.reason as unknown }] : [],
  );
  const read = results.flatMap((result, index) =>
    result.status === 'fulfilled' ? [{ store: stores[index] as ManifestStore, manifest: result.value }] : [],
  );
  const best = read.toSorted((a, b) => b.manifest.head.number - a.manifest.head.number)[0];
  if (best === undefined) throw failed[0]?.error ?? new RangeError('no region to read from');
  const others = read.filter((one) => one !== best);
  for (const { manifest } of others) await requireSameChain(best, manifest, options);
  const behind = others
    .filter(({ manifest }) => manifest.head.number < best.manifest.head.number)
    .map(({ manifest }) => ({ store: manifest.store, head: manifest.head }));
  return { manifest: best.manifest, behind, failed };
}

async function requireSameChain(
  best: { store: ManifestStore; manifest: Manifest },
  { head, store, site }: Manifest,
  options: ReadOptions,
): Promise<void> {
  let { chain } = best.manifest;
  if (!chain.some(({ number }) => number === head.number))
    chain = (await readManifest(best.store, { ...options, remembered: head })).chain;
  const there = chain.find(({ number }) => number === head.number);
  if (there !== undefined && there.sha256 !== head.sha256)
    throw new ManifestError(
      'MANIFEST_FORKED',
      numberPrefix(site, head.number),
      `${store} and ${best.store.name} hold different entries of this number.`,
    );
}

function nameOf(stores: readonly ManifestStore[], index: number): string {
  return (stores[index] as ManifestStore).name;
}
