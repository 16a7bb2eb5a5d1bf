/** Everything is mended, and the sites are given the time to come to rest. */
import type { World } from './check/check.ts';
import { theOne } from './sites/engine-tables.ts';

const patienceUs = 180_000_000;

/** Longer than anything waits before it tries again. */
const quietUs = 3_000_000;

/** @returns why the world does not come to rest; empty when it has. */
export async function settle(world: World): Promise<string[]> {
  const { scheduler } = world;
  for (const { line } of world.campuses) {
    line.up = true;
    line.loss = 0;
    line.twice = 0;
  }
  const deadline = scheduler.nowUs + patienceUs;
  while (scheduler.nowUs < deadline) {
    for (const { line } of world.campuses) line.up = true;
    const ending = await scheduler.run(() => unrest(world).length === 0, quietUs);
    if (unrest(world).length > 0) {
      if (ending === 'idle') break;
      continue;
    }
    const before = commitsOf(world);
    await scheduler.run(() => false, quietUs);
    if (unrest(world).length === 0 && commitsOf(world) === before) return [];
  }
  const reasons = unrest(world);
  return reasons.length > 0
    ? reasons.map((reason) => `does not come to rest: ${reason}`)
    : ['does not come to rest'];
}

function commitsOf({ cloudHistory, campuses }: World): number {
  const histories = [cloudHistory, ...campuses.map(({ history }) => history)];
  return histories.flatMap(({ commits }) => commits.filter(({ changes }) => changes.length > 0)).length;
}

function unrest({ cloud, relay, campuses }: World): string[] {
  const reasons: string[] = [];
  if (!relay.running) reasons.push('the relay is down');
  if (cloud.open > 0) reasons.push('a transaction is open in the cloud');
  if (relay.capturedLsn < (cloud.wal.at(-1)?.endLsn ?? 0)) reasons.push('the feed is behind the cloud');
  for (const { name, box, database } of campuses) {
    if (!box.running) {
      reasons.push(`the box of ${name} is down`);
      continue;
    }
    if (database.open > 0) reasons.push(`a transaction is open at ${name}`);
    if (box.capturedLsn < (database.wal.at(-1)?.endLsn ?? 0)) reasons.push(`capture is behind at ${name}`);
    if (box.log.acknowledged < box.log.lastSeq)
      reasons.push(`${name} has pushed ${box.log.acknowledged} of ${box.log.lastSeq}`);
    const written = Number(
      cloud.table('sync.follower').rows.get(idOf('sync.follower', name))?.row.feed_seq ?? 0,
    );
    const read = Number(
      database.table('sync.cursor').rows.get(idOf('sync.cursor', theOne.one))?.row.seq ?? 0,
    );
    if (read < written) reasons.push(`${name} has read ${read} of ${written} entries`);
    const parked = database.table('sync.parked_entry').rows.size;
    if (parked > 0) reasons.push(`${parked} entries wait at ${name}`);
  }
  return reasons;
}

function idOf(table: string, key: string): string {
  return `${table} ${JSON.stringify([key])}`;
}
