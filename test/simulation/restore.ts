/**
 * A restore of the cloud: it is kept at a moment when its feed was written to the end, and put back later, when it and the
 * campuses have gone on. What `ensureEpoch` does when the relay finds another timeline is done here.
 */
import type { World } from './check/check.ts';
import { theOne } from './sites/engine-tables.ts';
import { Chance } from './world/chance.ts';

const pollUs = 20_000;

export function restoreSometime(world: World): void {
  const { scheduler, plan, seed } = world;
  const chance = Chance.stream(seed, 'restores');
  const keptAt = chance.below(plan.lastsUs);
  const restoredAfter = chance.below(plan.lastsUs);
  scheduler.after(keptAt, () => keepAndRestore(world, restoredAfter));
}

function keepAndRestore(world: World, restoredAfterUs: number): void {
  const { scheduler, cloud, relay, campuses, held, trace } = world;
  // What the feed had not yet told when the backup was taken reaches no feed: a resync finds that, and is no part of this.
  if (cloud.open > 0 || relay.capturedLsn < (cloud.wal.at(-1)?.endLsn ?? 0)) {
    scheduler.after(pollUs, () => keepAndRestore(world, restoredAfterUs));
    return;
  }
  const backup = cloud.snapshot();
  scheduler.after(restoredAfterUs, () => {
    trace.note('cloud', 'restored');
    for (const { database } of campuses)
      for (const { row } of database.table('public.payment').rows.values())
        held.set(row.id ?? '', Number(row.amount));
    cloud.restore(backup);
    const [site] = [...cloud.table('sync.site').rows.values()];
    const lost = site?.row.epoch ?? '';
    put(world, 'sync.site', { ...theOne, epoch: `cloud-${scheduler.nowUs}`, timeline: '2' });
    for (const { row } of [...cloud.table('sync.follower').rows.values()]) {
      const seq = row.feed_seq ?? '0';
      put(world, 'sync.salvage', { campus: row.campus ?? '', epoch: lost, fork_seq: seq, given_seq: seq });
    }
  });
}

function put({ cloud, scheduler }: World, name: string, row: Record<string, string>): void {
  const table = cloud.table(name);
  table.put(table.idOf(row), { row, writtenAt: scheduler.nowUs, origin: null });
}
