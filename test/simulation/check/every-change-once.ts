/**
 * A campus's log holds each of its transactions once, in the order of its commits, and the cloud takes them in that order, each
 * once: the cursors that its commits carry join without gap or overlap, and no value of a campus comes after a later one of the
 * same campus in the same place.
 */
import { rowId } from '@skooly-edge/sync-protocol';
import { type Campus, wholeTransactions } from '../campus.ts';
import type { World } from './check.ts';

export function everyChangeOnce(world: World): string[] {
  return world.campuses.flatMap((campus) => [
    ...logFollowsTheCommits(campus),
    ...cursorsJoin(world, campus),
    ...valuesInOrder(world, campus),
  ]);
}

function logFollowsTheCommits({ name, box, history }: Campus): string[] {
  const logged = wholeTransactions(box).map(({ changes }) => JSON.stringify(changes));
  const committed = history.own.map(({ changes }) =>
    JSON.stringify(changes.map(({ whole: _whole, wholeBefore: _wholeBefore, ...change }) => change)),
  );
  if (logged.length !== committed.length)
    return [`${name} committed ${committed.length} transactions, its log has ${logged.length}`];
  const wrong = committed.findIndex((changes, index) => changes !== logged[index]);
  return wrong === -1 ? [] : [`${name}'s transaction ${wrong + 1} is not what its log has`];
}

function cursorsJoin({ cloudHistory }: World, { name, box }: Campus): string[] {
  let last = 0;
  for (const { applied } of cloudHistory.commits) {
    if (applied?.campus !== name) continue;
    if (applied.seq <= last)
      return [`the cloud applied ${name}'s transactions up to ${applied.seq} after ${last}`];
    last = applied.seq;
  }
  return last === box.log.lastSeq
    ? []
    : [`the cloud applied ${last} of ${name}'s ${box.log.lastSeq} transactions`];
}

function valuesInOrder({ cloudHistory }: World, { name, history }: Campus): string[] {
  const order = new Map<string, number>();
  for (const [index, { changes }] of history.own.entries()) {
    for (const { after } of changes)
      for (const value of Object.values(after ?? {}))
        if (value?.startsWith(`t:${name}.`)) order.set(value, index);
  }
  const latest = new Map<string, number>();
  for (const { changes, endLsn } of cloudHistory.commits) {
    for (const { table, key, after } of changes) {
      for (const [column, value] of Object.entries(after ?? {})) {
        const place = value === null ? undefined : order.get(value);
        if (place === undefined) continue;
        const where = `${rowId(table, key)} ${column}`;
        if (place < (latest.get(where) ?? -1))
          return [`${where}: ${value} of ${name} came back at ${endLsn}, after a later one`];
        latest.set(where, place);
      }
    }
  }
  return [];
}
