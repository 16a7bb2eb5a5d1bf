/**
 * The manifest's entries on their way: written here first, in one transaction with the objects that they name, then put into
 * each region in order. An entry's files leave this disk when every region has them; its number and hash stay, since the next
 * entry names them.
 */
import type Database from 'better-sqlite3';
import type { SealedObject } from '../format/object.ts';

export interface EntryFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The file of the entry itself is the last one, so that what it refers to is there before it. */
export interface WrittenEntry {
  readonly number: number;
  readonly sha256: string;
  readonly at: string;
  readonly files: readonly EntryFile[];
}

export interface EntryHead {
  readonly number: number;
  readonly sha256: string;
  readonly at: string;
}

export class Entries {
  readonly #database: Database.Database;
  readonly #changed: () => void;

  constructor(database: Database.Database, regions: readonly string[], changed: () => void) {
    this.#database = database;
    this.#changed = changed;
    this.#keepTo(regions);
  }

  /** The last entry of this site; null before the first. */
  head(): EntryHead | null {
    const row = this.#database
      .prepare('select number, sha256, at from entry order by number desc limit 1')
      .get() as { number: number; sha256: string; at: number } | undefined;
    return row ? { ...row, at: new Date(row.at).toISOString() } : null;
  }

  /** Takes over the chain as the regions have it, on a disk that knows nothing of it. */
  resume(head: EntryHead): void {
    this.#database
      .prepare('insert or ignore into entry values (?, ?, ?)')
      .run(head.number, head.sha256, Date.parse(head.at));
  }

  /** Objects that a region holds and no entry names, the most urgent first. */
  unlisted(limit: number): SealedObject[] {
    const rows = this.#database
      .prepare(
        `select sealed from object where entry is null
            and exists (select 1 from copy where copy.name = object.name and stored_at is not null)
          order by priority, sealed_at limit ?`,
      )
      .all(limit) as { sealed: string }[];
    return rows.map(({ sealed }) => JSON.parse(sealed));
  }

  /** From here on the entry is part of the chain, and the objects count as named by it. */
  append(entry: WrittenEntry, names: readonly string[]): void {
    const insertFile = this.#database.prepare('insert into entry_file values (?, ?, ?, ?)');
    const list = this.#database.prepare('update object set entry = ? where name = ?');
    this.#database.transaction(() => {
      this.#database
        .prepare('insert into entry values (?, ?, ?)')
        .run(entry.number, entry.sha256, Date.parse(entry.at));
      entry.files.forEach(({ name, bytes }, place) => {
        insertFile.run(entry.number, place, name, bytes);
      });
      for (const name of names) list.run(entry.number, name);
    })();
    this.#changed();
  }

  /**
   * The first entry that the region lacks; null when it has all. `files` is null when this disk has it no more, as for a
   * region that is new: then it is copied from a region that has it.
   */
  next(region: string): { number: number; files: EntryFile[] | null } | null {
    const number = this.headOf(region) + 1;
    if (number > (this.head()?.number ?? 0)) return null;
    const files = this.#database
      .prepare('select name, bytes from entry_file where number = ? order by place')
      .all(number) as EntryFile[];
    return { number, files: files.length > 0 ? files : null };
  }

  /** The region has every entry up to this number. Never goes back. */
  put(region: string, number: number): void {
    this.#database.transaction(() => {
      this.#database
        .prepare('update region_head set number = max(number, ?) where region = ?')
        .run(number, region);
      this.#forgetFiles();
    })();
    this.#changed();
  }

  /** The last entry that the region has; 0 for none. */
  headOf(region: string): number {
    const row = this.#database.prepare('select number from region_head where region = ?').get(region) as
      | { number: number }
      | undefined;
    return row?.number ?? 0;
  }

  /** A region that is not named any more is waited for no longer. */
  #keepTo(regions: readonly string[]): void {
    const named = JSON.stringify(regions);
    this.#database.transaction(() => {
      this.#database
        .prepare('delete from region_head where region not in (select value from json_each(?))')
        .run(named);
      this.#database
        .prepare('insert or ignore into region_head select value, 0 from json_each(?)')
        .run(named);
      this.#forgetFiles();
    })();
  }

  #forgetFiles(): void {
    this.#database
      .prepare('delete from entry_file where number <= (select min(number) from region_head)')
      .run();
  }
}
