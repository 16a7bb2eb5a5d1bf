/** What the spool knows of all live objects, also of those that left this disk: questions only. */
import type { ObjectKind, SealedObject } from '../format/object.ts';
import type { SpooledObject } from './bounds.ts';
import type { Query } from './query.ts';

/** One segment of WAL; places are bytes from the beginning of the WAL, times ms since 1970. */
export interface WalPlace {
  readonly name: string;
  readonly system: string;
  readonly timeline: number;
  readonly start: number;
  readonly end: number;
  readonly closedAt: number;
}

export interface QueueFigures {
  readonly region: string;
  readonly objects: number;
  readonly bytes: number;
  /** When the oldest one that waits was sealed; null when none waits. */
  readonly oldestMs: number | null;
}

/** Only what that region holds, named by an entry that it holds as well. */
export interface HeldIn {
  readonly in?: string;
}

const provable = `
  join copy using (name) join region_head using (region)
  where region = :region and stored_at is not null and number >= object.entry`;

/** Oldest first. */
export function liveObjects<K extends ObjectKind>(query: Query, kind: K, held: HeldIn): SealedObject<K>[] {
  const rows = query.all<{ sealed: string }>(
    `select sealed from object ${held.in ? provable : 'where true'} and kind = :kind order by sealed_at`,
    { kind, ...(held.in && { region: held.in }) },
  );
  return rows.map(({ sealed }) => JSON.parse(sealed));
}

/** In the order of timelines and places. */
export function liveWal(query: Query, held: HeldIn): WalPlace[] {
  return query.all<WalPlace>(
    `select wal.name, system, timeline, start_at as start, end_at as "end", closed_at as closedAt
       from wal join object using (name) ${held.in ? provable : ''} order by timeline, start_at`,
    held.in ? { region: held.in } : {},
  );
}

export function queueOf(query: Query, region: string): QueueFigures {
  const row = query.get<Omit<QueueFigures, 'region'>>(
    `select count(*) as objects, coalesce(sum(bytes), 0) as bytes, min(sealed_at) as oldestMs
       from copy join object using (name) where region = ? and stored_at is null`,
    region,
  );
  return { region, objects: 0, bytes: 0, oldestMs: null, ...row };
}

/** @param isBusy Whether it is being sent now: then it is begun, and stays. */
export function objectsOnDisk(query: Query, isBusy: (name: string) => boolean): SpooledObject[] {
  return query
    .all<SpooledObject>(
      `select name, kind, bytes, sealed_at as sealedAt,
              (select count(*) from copy join region_head using (region)
                where copy.name = object.name and stored_at is not null and number >= object.entry) as heldBy,
              (select count(*) from copy where copy.name = object.name
                and (stored_at is not null or attempts > 0 or multipart is not null)) as begunBy
         from object where on_disk = 1`,
    )
    .map((one) => (isBusy(one.name) ? { ...one, begunBy: one.begunBy + 1, heldBy: 0 } : one));
}
