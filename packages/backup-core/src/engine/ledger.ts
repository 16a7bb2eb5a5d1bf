/**
 * Keeps the manifest: names in an entry what at least one region holds, brings the entries to every region, and lets the
 * spool forget what is safe everywhere. Objects that arrive together are named together. The region that lags gets the
 * entries all the same: it says what it is still to get.
 */
import type { LiveObject, Removal } from '../manifest/entry.ts';
import type { ManifestStore } from '../manifest/manifest-store.ts';
import type { ManifestWriter } from '../manifest/manifest-writer.ts';
import { isRegionError } from '../region/errors.ts';
import type { Clock } from '../schedule/clock.ts';
import type { Spool } from '../spool/spool.ts';
import type { RegionState } from '../upload/region-state.ts';
import type { Tell } from './events.ts';

/** An entry names at most this many. */
const maxObjects = 500;
/**
 * Entries are at least so far apart, so that a burst of WAL makes one and not a hundred; less when for a moment nothing urgent was
 * sealed or waited, since then the burst is over.
 */
const groupMs = 2_000;
const quietMs = 200;
const lookMs = 50;
const idleMs = 60_000;
/** What is no failure of the region needs a person: it is tried again seldom. */
const manifestRetryMs = 5 * 60_000;

export interface LedgerOptions {
  readonly writer: ManifestWriter;
  readonly spool: Spool;
  readonly clock: Clock;
  readonly tell: Tell;
  /** Whether something urgent is about to join the queue. */
  readonly isSealing: () => boolean;
}

export interface DeliveryOptions extends Omit<LedgerOptions, 'isSealing'> {
  readonly store: ManifestStore;
  readonly state: RegionState;
}

/** What the manifest names and this spool did not know: an object whose entry was written just before a crash, or all of them. */
export async function learnLive({ writer, spool }: Pick<LedgerOptions, 'writer' | 'spool'>): Promise<void> {
  let batch: LiveObject[] = [];
  for await (const one of writer.live()) {
    batch.push(one);
    if (batch.length < maxObjects) continue;
    spool.adopt(batch);
    batch = [];
  }
  spool.adopt(batch);
}

export async function runLedger(options: LedgerOptions, signal: AbortSignal): Promise<void> {
  const { spool, clock, tell } = options;
  while (!signal.aborted) {
    const changed = spool.nextChange(signal);
    try {
      const isNamed = await nameWhatIsStored(options);
      const names = await spool.sweep();
      if (names.length > 0) tell({ event: 'swept', names });
      if (isNamed) await gather(options, signal);
    } catch (error) {
      tell({ event: 'manifest-failed', region: null, error: error as Error });
      await clock.sleep(manifestRetryMs, signal);
    }
    await Promise.race([changed.happened, clock.sleep(idleMs, changed.signal)]);
    changed.end();
  }
}

async function gather({ spool, clock, isSealing }: LedgerOptions, signal: AbortSignal): Promise<void> {
  const isBusy = () =>
    isSealing() || spool.regions.some((region) => spool.oldestWaiting(region, 'urgent') !== null);
  let quiet = 0;
  for (let waited = 0; waited < groupMs && quiet < quietMs && !signal.aborted; waited += lookMs) {
    await clock.sleep(lookMs, signal);
    quiet = isBusy() ? 0 : quiet + lookMs;
  }
}

/** @returns whether there was anything to name. */
async function nameWhatIsStored({ writer, spool, tell }: LedgerOptions): Promise<boolean> {
  for (let isNamed = false; ; isNamed = true) {
    const put = spool.listing.unlisted(maxObjects);
    if (put.length === 0) return isNamed;
    const head = await writer.append({ put });
    spool.listing.listed(
      head.number,
      put.map(({ name }) => name),
    );
    tell({ event: 'listed', entry: head.number, objects: put.length });
  }
}

/** What retention decided: from here on the objects are no part of the manifest, and may be removed from the regions. */
export async function removeFromManifest(
  { writer, spool }: Pick<LedgerOptions, 'writer' | 'spool'>,
  removed: Removal[],
): Promise<void> {
  await writer.append({ removed });
  await spool.forget(removed.map(({ name }) => name));
}

export async function runDelivery(options: DeliveryOptions, signal: AbortSignal): Promise<void> {
  const { writer, spool, store, state, clock, tell } = options;
  while (!signal.aborted) {
    const changed = spool.nextChange(signal);
    try {
      if (state.waitMs() === 0 && writer.delivered(store.name) < (writer.head?.number ?? 0)) {
        await writer.deliver(store, signal);
        if (state.answered()) tell({ event: 'region-recovered', region: store.name });
        tell({ event: 'delivered', region: store.name, entry: writer.delivered(store.name) });
        await writer.tidy(spool.regions);
      }
      spool.listing.delivered(store.name, writer.delivered(store.name));
    } catch (error) {
      if (!signal.aborted) await failed(options, error as Error, signal);
    }
    // A region that rests is asked again when its rest is over, or somebody says that it is.
    await Promise.race([changed.happened, clock.sleep(state.waitMs() || idleMs, changed.signal)]);
    changed.end();
  }
}

async function failed(
  { store, state, clock, tell }: DeliveryOptions,
  error: Error,
  signal: AbortSignal,
): Promise<void> {
  if (isRegionError(error)) {
    const { code, message } = error;
    if (state.failed(error)) tell({ event: 'region-trouble', region: store.name, code, message });
    return;
  }
  tell({ event: 'manifest-failed', region: store.name, error });
  await clock.sleep(manifestRetryMs, signal);
}
