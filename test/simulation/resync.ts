/**
 * The resync that follows a restore: whatever the sites still do not have alike is repaired as `appliance/src/resync` decides. The
 * comparison itself is done in one look, at rest; digests and their going on beside the work have tests of their own.
 */
import { keyOf, type Row, rowId, type Table } from '@skooly-edge/sync-protocol';
import {
  type DifferenceKind,
  parentsFirst,
  repairFor,
  takesAway,
} from '../../apps/appliance/src/resync/difference.ts';
import { type OwnLog, ownDeletes } from '../../apps/appliance/src/resync/repair.ts';
import type { World } from './check/check.ts';
import { ownerOf, schoolCatalog } from './school/schema.ts';

interface Found {
  campus: World['campuses'][number];
  table: Table;
  key: Row;
  kind: DifferenceKind;
  here: { row: Row; writtenAt: number | null } | null;
  there: { row: Row; writtenAt: number | null } | null;
}

/** Begins the repair of every difference. @returns how many there are */
export async function repairAll(world: World): Promise<number> {
  const found = world.campuses.flatMap((campus) => differences(world, campus));
  const decided = await Promise.all(found.map(async (one) => ({ ...one, repair: await decide(world, one) })));
  const order = parentsFirst(schoolCatalog);
  const place = ({ table }: Found) => order.indexOf(table.name);
  const gone = decided
    .filter(({ repair, kind }) => takesAway(repair, kind))
    .sort((a, b) => place(b) - place(a));
  const coming = decided.filter((one) => !gone.includes(one)).sort((a, b) => place(a) - place(b));
  for (const { campus, table, key, here, there, repair } of [...gone, ...coming]) {
    const { log } = campus.box;
    if (repair === 'correct') void world.relay.correct(campus.name, table, key)?.catch(() => {});
    else if (repair === 'repeat_delete' && there)
      log.appendOwn(
        [{ table: table.name, key, op: 'delete', before: there.row, after: null }],
        world.scheduler.nowUs,
      );
    else if (here)
      log.appendOwn(
        [{ table: table.name, key, op: 'insert', before: null, after: here.row }],
        here.writtenAt ?? 0,
      );
  }
  return found.length;
}

async function decide(world: World, { campus, table, key, kind, here, there }: Found) {
  const { log } = campus.box;
  const kept: OwnLog = {
    appendOwn: () => log.lastSeq,
    kept: () => log.transactionsAfter(log.firstSeq - 1),
    amidParts: () => false,
  };
  const own = await ownDeletes(kept, table, [key]);
  const [deleted] = [...own.values()];
  return repairFor('policy', table.rule, kind, {
    deletedInCloud: lastInFeed(world, campus.name, table, key) === 'delete',
    deletedHere: deleted !== undefined && (there?.writtenAt == null || deleted.committedAt > there.writtenAt),
    cloudIsLater: (there?.writtenAt ?? 0) > (here?.writtenAt ?? 0),
  });
}

function lastInFeed({ cloud }: World, campus: string, table: Table, key: Row): string | undefined {
  const id = rowId(table.name, key);
  return [...cloud.table('sync.feed').rows.values()]
    .map(({ row }) => row)
    .filter((row) => row.campus === campus)
    .sort((a, b) => Number(a.seq) - Number(b.seq))
    .flatMap(
      ({ body }) =>
        (JSON.parse(body ?? '') as { changes: { table: string; key: Row; op: string }[] }).changes,
    )
    .findLast((change) => rowId(change.table, change.key) === id)?.op;
}

function differences({ cloud }: World, campus: World['campuses'][number]): Found[] {
  const parentOf = (table: string, id: string) =>
    cloud.table(table).rows.get(`${table} ${JSON.stringify([id])}`)?.row;
  return [...schoolCatalog.tables.values()].flatMap((table) => {
    const ours = campus.database.table(table.name).rows;
    const theirs = cloud.table(table.name).rows;
    return [...new Set([...ours.keys(), ...theirs.keys()])].flatMap((id): Found[] => {
      const stored = theirs.get(id) ?? null;
      const owner = stored && ownerOf(table, stored.row, parentOf);
      const there = owner === null || owner === campus.name ? stored : null;
      const here = ours.get(id) ?? null;
      const either = here ?? there;
      if (
        !either ||
        (here && there && Object.keys(there.row).every((name) => there.row[name] === here.row[name]))
      )
        return [];
      const kind = here && there ? 'differs' : here ? 'campus_only' : 'cloud_only';
      return [{ campus, table, key: keyOf(either.row, table.keyColumns), kind, here, there }];
    });
  });
}
