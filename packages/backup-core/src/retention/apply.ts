/**
 * Carries a plan out: the locks of what may go are asked for, object by object, and the plan is made once more with them; then
 * the signed manifest says what goes and why; then each region removes it. A crash in between leaves objects that no manifest
 * names; they are removed by the next run, since `strays` finds them.
 */
import type { SealedObject } from '../format/object.ts';
import type { Removal } from '../manifest/entry.ts';
import type { Region } from '../region/region.ts';
import { DAY_MS } from './policy.ts';
import { planRetention, type RegionEvidence, type RetentionInput, type RetentionPlan } from './retention.ts';

/** Younger ones may be on their way into the manifest. */
const STRAY_AFTER_MS = 35 * DAY_MS;

type Removing = Pick<Region, 'name' | 'head' | 'list' | 'remove'>;

export interface ApplyOptions extends Omit<RetentionInput, 'regions'> {
  readonly site: string;
  readonly regions: readonly Removing[];
  /** Resolves when the manifest of every region says so. */
  record(removals: Removal[]): Promise<void>;
  readonly signal: AbortSignal;
}

export async function applyRetention(options: ApplyOptions): Promise<RetentionPlan> {
  const { site, regions, objects, signal } = options;
  const listed = await Promise.all(regions.map((region) => listRegion(region, site, objects, signal)));
  const first = planRetention({ ...options, regions: listed });
  const going = first.decisions.filter(({ keep }) => !keep).map(({ object }) => object);
  if (going.length === 0 && first.halted !== null) return first;
  const evidence = await Promise.all(
    listed.map((one, i) => withLocks(one, regions[i] as Removing, going, signal)),
  );
  const plan = planRetention({ ...options, regions: evidence });
  const removals = plan.decisions
    .filter(({ keep }) => !keep)
    .map(({ object, reasons }) => ({ name: object.name, reasons: [...reasons] }));
  if (removals.length > 0) await options.record(removals);
  for (const region of regions) {
    for (const { name } of removals) await region.remove(name, signal);
    if (plan.halted === null)
      for (const name of await strays(region, options)) await region.remove(name, signal);
  }
  return plan;
}

async function listRegion(
  region: Removing,
  site: string,
  objects: readonly SealedObject[],
  signal: AbortSignal,
): Promise<RegionEvidence> {
  const sizes = new Map(objects.map(({ name, bytes }) => [name, bytes]));
  try {
    const holds = new Map<string, Date | null>();
    for await (const { name, bytes } of region.list(`${site}/`, { signal }))
      if (sizes.get(name) === bytes) holds.set(name, null);
    return { region: region.name, holds };
  } catch {
    signal.throwIfAborted();
    return { region: region.name, holds: null };
  }
}

async function withLocks(
  { holds }: RegionEvidence,
  region: Removing,
  going: readonly SealedObject[],
  signal: AbortSignal,
): Promise<RegionEvidence> {
  if (holds === null) return { region: region.name, holds };
  const locked = new Map(holds);
  try {
    for (const { name } of going) {
      const stored = locked.has(name) ? await region.head(name, signal) : null;
      if (stored) locked.set(name, stored.lockedUntil);
    }
    return { region: region.name, holds: locked };
  } catch {
    signal.throwIfAborted();
    return { region: region.name, holds: null };
  }
}

/** Objects under the site's prefix that the manifest does not name, old enough that they never will be. */
async function strays(region: Removing, { site, objects, now, signal }: ApplyOptions): Promise<string[]> {
  const live = new Set(objects.map(({ name }) => name));
  const found: string[] = [];
  for await (const { name, at } of region.list(`${site}/`, { signal })) {
    const isObject = /^[^/]+\/(dump|base|wal|history|sync-log|proof)\//.test(name);
    if (isObject && !live.has(name) && now.getTime() - at.getTime() > STRAY_AFTER_MS) found.push(name);
  }
  return found;
}
