/**
 * Sealed objects on their way: each waits on this disk until every region holds it and every region's manifest names it.
 *
 * In order: `pathFor` says where to seal an object; `add` makes it part of the queues, together with what made it (a WAL file
 * that was taken, a cursor that moved), in one transaction; `next` gives a region's most urgent object; `stored` notes that the
 * region proved that it holds it; `listing` notes which manifest entry names it; `sweep` removes what nobody waits for.
 *
 * Every step survives a power cut, and may be repeated. It does not speak to regions, and never removes WAL by itself. What
 * it knows of objects that left this disk stays until retention removes them: it is the local index of all that is live.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import type { ObjectKind, SealedObject } from '../format/object.ts';
import type { MultipartState, MultipartUpload } from '../region/region.ts';
import { lsnPosition } from '../source/wal/wal-name.ts';
import type { SpooledObject } from './bounds.ts';
import { Changes, type NextChange } from './changes.ts';
import { Listing } from './listing.ts';
import {
  type HeldIn,
  liveObjects,
  liveWal,
  objectsOnDisk,
  type QueueFigures,
  queueOf,
  type WalPlace,
} from './live-index.ts';
import { type Lane, laneRange, priorities } from './priorities.ts';
import { Query } from './query.ts';
import { ReadyFolder } from './ready-folder.ts';
import { openSpoolFile } from './spool-file.ts';

export interface SpoolOptions {
  /** Holds `ready`, `incoming` and spool.sqlite; made when missing. */
  readonly folder: string;
  /** All that there are. One that is not named any more is waited for no longer. */
  readonly regions: readonly string[];
  readonly now: () => number;
}

export type { QueueFigures, WalPlace } from './live-index.ts';

/** What becomes durable together with an object. */
export interface AddedWith {
  /** The WAL file that it was made of. */
  readonly taken?: { readonly system: string; readonly file: string; readonly sha256: string };
  readonly facts?: Readonly<Record<string, string>>;
}

export interface QueuedObject {
  readonly object: SealedObject;
  /** Null when it has left this disk: another region has it. */
  readonly path: string | null;
  readonly attempts: number;
}

export interface StoredCopy {
  readonly versionId: string | null;
  readonly lockedUntil: Date | null;
}

export interface SpoolNote {
  readonly at: number;
  readonly code: string;
  readonly name: string | null;
  readonly detail: string;
}

interface QueueRow {
  sealed: string;
  on_disk: number;
  attempts: number;
}

/** Records of what was dropped and the like; the oldest ones go. */
const maxNotes = 10_000;

export class Spool implements Disposable {
  readonly regions: readonly string[];
  readonly listing: Listing;
  /** Where sources put plain files. */
  readonly incoming: string;
  /** Where objects are fetched to on their way from one region to another. */
  readonly fetching: string;
  /** The queue began anew: what the regions hold must be read from their manifest. */
  readonly fresh: boolean;
  readonly #database: Database.Database;
  readonly #ready: ReadyFolder;
  readonly #now: () => number;
  /** What is being sent now, by region and name. */
  readonly #busy = new Set<string>();
  readonly #changes = new Changes();
  readonly #query: Query;

  static open(options: SpoolOptions): Spool {
    const { database, fresh, setAside } = openSpoolFile(options.folder, new Date(options.now()));
    const spool = new Spool(database, options, fresh);
    if (setAside) spool.note('SPOOL_SET_ASIDE', null, setAside);
    spool.#recover();
    return spool;
  }

  private constructor(database: Database.Database, options: SpoolOptions, fresh: boolean) {
    this.regions = options.regions;
    this.incoming = join(options.folder, 'incoming');
    this.fetching = join(options.folder, 'fetching');
    this.fresh = fresh;
    this.#database = database;
    this.#query = new Query(database);
    this.#now = options.now;
    this.#ready = new ReadyFolder(join(options.folder, 'ready'));
    this.listing = new Listing(database, options.regions, () => this.changed());
  }

  nextChange(until: AbortSignal): NextChange {
    return this.#changes.next(until);
  }

  /** Somebody may have work. */
  changed(): void {
    this.#changes.changed();
  }

  pathFor(name: string): string {
    return this.#ready.pathOf(name);
  }

  /** The object is sealed at `pathFor(object.name)`, fsynced. Again is harmless. */
  async add(object: SealedObject, addedWith: AddedWith = {}): Promise<void> {
    await this.#ready.writeNote(object);
    this.#insert(object, { onDisk: true, ...addedWith });
    this.changed();
  }

  /** Objects that the signed manifest names, of which this disk has nothing. */
  adopt(live: Iterable<{ entry: number; object: SealedObject }>): void {
    this.#query.together(() => {
      for (const { entry, object } of live) {
        this.#insert(object, { onDisk: false });
        this.#query.run('update object set entry = ? where name = ?', entry, object.name);
      }
    });
    this.changed();
  }

  /** The most urgent object that waits for the region and is not being sent; null when there is none now. */
  next(region: string, lane: Lane): QueuedObject | null {
    const [from, to] = laneRange[lane];
    const rows = this.#query.all<QueueRow>(
      `select sealed, on_disk, attempts from copy join object using (name)
        where region = ? and stored_at is null and not_before <= ? and priority between ? and ?
          and (on_disk = 1 or exists (select 1 from copy other where other.name = copy.name and other.stored_at is not null))
        order by priority, object.sealed_at limit ?`,
      region,
      this.#now(),
      from,
      to,
      this.#busy.size + 1,
    );
    const free = rows.map(queued).find(({ object }) => !this.#busy.has(busyKey(region, object.name)));
    if (!free) return null;
    this.#busy.add(busyKey(region, free.object.name));
    return { ...free, path: free.path === null ? null : this.#ready.pathOf(free.object.name) };
  }

  /** What `next` gave is not being sent any more. */
  release(region: string, name: string): void {
    this.#busy.delete(busyKey(region, name));
    this.changed();
  }

  /** The region proved that it holds the object. */
  stored(region: string, name: string, { versionId, lockedUntil }: StoredCopy): void {
    this.#query.run(
      'update copy set stored_at = ?, version = ?, locked_until = ?, multipart = null where region = ? and name = ?',
      this.#now(),
      versionId,
      lockedUntil?.getTime() ?? null,
      region,
      name,
    );
    this.changed();
  }

  /** What a list of the region shows: those of the right size count as held. */
  found(region: string, listed: Iterable<{ name: string; bytes: number }>): void {
    this.#query.together(() => {
      for (const { name, bytes } of listed)
        this.#query.run(
          `update copy set stored_at = ? where region = ? and name = ? and stored_at is null
              and exists (select 1 from object where object.name = copy.name and object.bytes = ?)`,
          this.#now(),
          region,
          name,
          bytes,
        );
    });
    this.changed();
  }

  postpone(region: string, name: string, notBefore: number): void {
    this.#query.run(
      'update copy set attempts = attempts + 1, not_before = ? where region = ? and name = ?',
      notBefore,
      region,
      name,
    );
  }

  multipartState(region: string, name: string): MultipartState {
    return {
      load: () => {
        const text = this.#query.value<string | null>(
          'select multipart from copy where region = ? and name = ?',
          region,
          name,
        );
        return text ? (JSON.parse(text) as MultipartUpload) : null;
      },
      save: (upload) => {
        const text = upload === null ? null : JSON.stringify(upload);
        this.#query.run('update copy set multipart = ? where region = ? and name = ?', text, region, name);
      },
    };
  }

  /** When the oldest object of this lane that waits for the region was sealed; null when none waits. */
  oldestWaiting(region: string, lane: Lane): number | null {
    return this.#query.value<number>(
      `select min(sealed_at) from copy join object using (name)
        where region = ? and stored_at is null and not_before <= ? and priority between ? and ?`,
      region,
      this.#now(),
      ...laneRange[lane],
    );
  }

  /** Regions that hold the object. */
  holders(name: string): string[] {
    const sql = 'select region from copy where name = ? and stored_at is not null';
    return this.#query.all<{ region: string }>(sql, name).map(({ region }) => region);
  }

  /** Removes from this disk what every region holds, with an entry that names it in each of them. */
  async sweep(): Promise<string[]> {
    const done = this.#query.all<{ name: string }>(
      `select name from object where on_disk = 1 and entry is not null
          and not exists (select 1 from copy where copy.name = object.name and stored_at is null)
          and not exists (select 1 from region_head where number < object.entry)`,
    );
    for (const { name } of done) await this.leaveDisk(name);
    return done.map(({ name }) => name);
  }

  /** The object stays in the queues; who still needs it fetches it from a region. */
  async leaveDisk(name: string): Promise<void> {
    await this.#ready.remove(name);
    this.#query.run('update object set on_disk = 0 where name = ?', name);
  }

  /** The object is gone: no region is to have it, and none has. */
  async drop(name: string, reason: string): Promise<void> {
    this.note('DROPPED', name, reason);
    this.#query.run('delete from object where name = ?', name);
    await this.#ready.remove(name);
    this.changed();
  }

  /** What retention removed from the manifest. */
  async forget(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#ready.remove(name);
    this.#query.together(() => {
      for (const name of names) this.#query.run('delete from object where name = ?', name);
    });
  }

  onDisk(): SpooledObject[] {
    const isBusy = (name: string) => this.regions.some((region) => this.#busy.has(busyKey(region, name)));
    return objectsOnDisk(this.#query, isBusy);
  }

  bytesOnDisk(): number {
    return this.#query.value<number>('select coalesce(sum(bytes), 0) from object where on_disk = 1') ?? 0;
  }

  queues(): QueueFigures[] {
    return this.regions.map((region) => queueOf(this.#query, region));
  }

  /** Live objects of a kind, oldest first. */
  objects<K extends ObjectKind>(kind: K, held: HeldIn = {}): SealedObject<K>[] {
    return liveObjects(this.#query, kind, held);
  }

  /** The live WAL in the order of timelines and places. */
  wal(held: HeldIn = {}): WalPlace[] {
    return liveWal(this.#query, held);
  }

  /** SHA-256 of a WAL file that was taken before; null when it never was. Of any server when none is named. */
  takenSha256(system: string | null, file: string): string | null {
    return this.#query.value<string>(
      'select sha256 from taken where file = ? and (system = coalesce(?, system))',
      file,
      system,
    );
  }

  fact(key: string): string | null {
    return this.#query.value<string>('select value from fact where key = ?', key);
  }

  setFact(key: string, value: string): void {
    this.#query.run('insert or replace into fact values (?, ?)', key, value);
  }

  note(code: string, name: string | null, detail: string): void {
    this.#query.run('insert into note values (?, ?, ?, ?)', this.#now(), code, name, detail);
    this.#query.run('delete from note where rowid <= (select max(rowid) from note) - ?', maxNotes);
  }

  notes(limit = 100): SpoolNote[] {
    return this.#query.all<SpoolNote>('select * from note order by rowid desc limit ?', limit);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Finished objects that the queue does not know, and regions that came or went. */
  #recover(): void {
    rmSync(this.fetching, { recursive: true, force: true });
    const complete = this.#ready.recover();
    const present = new Set(complete.map(({ name }) => name));
    this.#query.together(() => {
      for (const object of complete) this.#insert(object, { onDisk: true });
      for (const { name } of this.#query.all<{ name: string }>('select name from object where on_disk = 1'))
        if (!present.has(name)) this.#query.run('update object set on_disk = 0 where name = ?', name);
      const named = JSON.stringify(this.regions);
      this.#query.run('delete from copy where region not in (select value from json_each(?))', named);
      this.#query.run(
        `delete from fact where key like 'surveyed:%' and substr(key, 10) not in (select value from json_each(?))`,
        named,
      );
      this.#query.run(
        'insert or ignore into copy (region, name) select value, name from object, json_each(?)',
        named,
      );
    });
  }

  #insert(object: SealedObject, { onDisk, taken, facts = {} }: AddedWith & { onDisk: boolean }): void {
    const made = taken ?? takenOf(object);
    this.#query.together(() => {
      this.#query.run(
        'insert or ignore into object values (?, ?, ?, ?, ?, ?, ?, null)',
        object.name,
        object.kind,
        priorities[object.kind],
        object.bytes,
        JSON.stringify(object),
        Date.parse(object.sealedAt),
        onDisk ? 1 : 0,
      );
      if (object.kind === 'wal') this.#insertPlace(object);
      for (const region of this.regions)
        this.#query.run('insert or ignore into copy (region, name) values (?, ?)', region, object.name);
      if (made)
        this.#query.run('insert or ignore into taken values (?, ?, ?)', made.file, made.system, made.sha256);
      for (const [key, value] of Object.entries(facts)) this.setFact(key, value);
    });
  }

  #insertPlace({ name, about }: SealedObject<'wal'>): void {
    this.#query.run(
      'insert or ignore into wal values (?, ?, ?, ?, ?, ?)',
      name,
      about.systemIdentifier,
      about.timeline,
      lsnPosition(about.startLsn),
      lsnPosition(about.endLsn),
      Date.parse(about.closedAt),
    );
  }
}

function takenOf(object: SealedObject): AddedWith['taken'] {
  const { kind, about, plain } = object;
  if (kind === 'wal') return { system: about.systemIdentifier, file: about.segment, sha256: plain.sha256 };
  if (kind === 'history') return { system: about.systemIdentifier, file: about.file, sha256: plain.sha256 };
  return undefined;
}

function queued(row: QueueRow): QueuedObject {
  return { object: JSON.parse(row.sealed), path: row.on_disk ? '' : null, attempts: row.attempts };
}

function busyKey(region: string, name: string): string {
  return `${region} ${name}`;
}
