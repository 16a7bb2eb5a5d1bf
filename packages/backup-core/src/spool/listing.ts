/** Which manifest entry names each object, and how far each region's manifest is: what makes a copy provable. */
import type Database from 'better-sqlite3';
import type { SealedObject } from '../format/object.ts';

export class Listing {
  readonly #database: Database.Database;
  readonly #changed: () => void;

  constructor(database: Database.Database, regions: readonly string[], changed: () => void) {
    this.#database = database;
    this.#changed = changed;
    const named = JSON.stringify(regions);
    database
      .prepare('delete from region_head where region not in (select value from json_each(?))')
      .run(named);
    database.prepare('insert or ignore into region_head select value, 0 from json_each(?)').run(named);
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

  /** The entry of this number names them, durably. */
  listed(number: number, names: readonly string[]): void {
    const list = this.#database.prepare('update object set entry = ? where name = ?');
    this.#database.transaction(() => {
      for (const name of names) list.run(number, name);
    })();
    this.#changed();
  }

  /** The region's manifest holds every entry up to this one. */
  delivered(region: string, number: number): void {
    if (this.headOf(region) === number) return;
    this.#database.prepare('update region_head set number = ? where region = ?').run(number, region);
    this.#changed();
  }

  /** The last entry that the region has; 0 for none. */
  headOf(region: string): number {
    const row = this.#database.prepare('select number from region_head where region = ?').get(region) as
      | { number: number }
      | undefined;
    return row?.number ?? 0;
  }
}
