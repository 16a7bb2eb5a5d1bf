/** The live objects of a writer: the pages of its latest checkpoint, which stay on disk, and what came after in memory. */
import type { Entry, LiveObject, PageReference } from './entry.ts';
import type { Journal } from './journal.ts';
import { dayOfPage, pageDay, readPage, writePage } from './pages.ts';

export class LivePages {
  readonly #journal: Journal;
  readonly #site: string;
  #pages: readonly PageReference[] = [];
  readonly #put = new Map<string, LiveObject>();
  readonly #removed = new Set<string>();

  constructor(journal: Journal, site: string) {
    this.#journal = journal;
    this.#site = site;
  }

  apply({ number, put, removed, checkpoint }: Entry): void {
    if (checkpoint !== undefined) {
      this.#pages = checkpoint.pages;
      this.#put.clear();
      this.#removed.clear();
      return;
    }
    for (const object of put) this.#put.set(object.name, { entry: number, object });
    for (const { name } of removed) if (!this.#put.delete(name)) this.#removed.add(name);
  }

  async *all(): AsyncGenerator<LiveObject> {
    const removed = new Set(this.#removed);
    const put = [...this.#put.values()];
    for (const page of this.#pages)
      for (const one of await this.#read(page)) if (!removed.has(one.object.name)) yield one;
    yield* put;
  }

  /** The pages once `entry` has been applied too; those that are new are on disk when it resolves. */
  async checkpoint({ number, put, removed }: Entry): Promise<{ objects: number; pages: PageReference[] }> {
    const gone = new Set([...this.#removed, ...removed.map(({ name }) => name)]);
    const days = new Map<string, LiveObject[]>();
    for (const one of [...this.#put.values(), ...put.map((object) => ({ entry: number, object }))]) {
      if (gone.has(one.object.name)) continue;
      const day = days.get(pageDay(one));
      if (day === undefined) days.set(pageDay(one), [one]);
      else day.push(one);
    }
    const pages: PageReference[] = [];
    for (const page of this.#pages) {
      const day = dayOfPage(page);
      const before = await this.#read(page);
      const kept = before.filter(({ object }) => !gone.has(object.name));
      const added = days.get(day) ?? [];
      days.delete(day);
      if (kept.length === before.length && added.length === 0) pages.push(page);
      else if (kept.length + added.length > 0) pages.push(await this.#write(day, [...kept, ...added]));
    }
    for (const [day, objects] of days) pages.push(await this.#write(day, objects));
    pages.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { objects: pages.reduce((sum, { objects }) => sum + objects, 0), pages };
  }

  async #read(page: PageReference): Promise<LiveObject[]> {
    return readPage(this.#site, page, await this.#journal.page(page));
  }

  async #write(day: string, objects: LiveObject[]): Promise<PageReference> {
    const { reference, bytes } = await writePage(this.#site, day, objects);
    await this.#journal.addPage(reference.name, bytes);
    return reference;
  }
}
