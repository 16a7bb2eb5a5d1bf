/**
 * What has to hold after the cloud was restored: the sites are equal, the cloud has applied every transaction of every campus, and
 * what a campus has given a receipt for is there, and so is every payment that some campus held when it happened, its own or the
 * cloud's. What only the cloud had seen may be gone.
 */
import type { World } from './check.ts';
import { convergence } from './convergence.ts';

export function checkRestored(world: World): string[] {
  return [...convergence({ ...world, drifts: [] }), ...everyLogApplied(world), ...receipts(world)];
}

function everyLogApplied({ cloud, campuses }: World): string[] {
  const cursors = [...cloud.table('sync.cursor').rows.values()].map(({ row }) => row);
  return campuses.flatMap(({ name, box }) => {
    const cursor = cursors.find(({ campus, epoch }) => campus === name && epoch === box.log.epoch);
    const applied = Number(cursor?.seq ?? 0);
    return applied === box.log.lastSeq
      ? []
      : [`the cloud applied ${applied} of ${name}'s ${box.log.lastSeq} transactions`];
  });
}

function receipts({ ledger, cloud, held: before }: World): string[] {
  const held = new Map(
    [...cloud.table('public.payment').rows.values()].map(({ row }) => [row.id ?? '', Number(row.amount)]),
  );
  const waiting = new Set(
    [...cloud.table('sync.parked').rows.values()].flatMap(
      ({ row }) => row.body?.match(/t:[a-z0-9.-]+/g) ?? [],
    ),
  );
  const given = ledger.filter(({ site }) => site !== 'cloud').flatMap(({ payments }) => payments);
  const seen = [...before].map(([id, amount]) => ({ id, amount }));
  return [...given, ...seen]
    .filter(({ id, amount }) => held.get(id) !== amount && !waiting.has(id))
    .map(({ id, amount }) => `payment ${id} of ${amount} is lost`);
}
