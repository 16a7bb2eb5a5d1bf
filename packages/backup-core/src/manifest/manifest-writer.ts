/**
 * Appends to the manifest of one site, and brings the same bytes to every region.
 *
 * `append` signs the next entry and fsyncs it on this disk; from then on it is part of the chain. `deliver` brings a region
 * what it lacks, in order, pages before the entry that names them; it may be called again after any failure, and a crash
 * between two regions leaves one of them behind, nothing else. A region that was away for weeks gets every entry. The first
 * entry of a day, and every thousandth, is a checkpoint.
 *
 * It does not look whether the objects are in a region. When a second machine writes as the same site, `deliver`
 * finds a trusted entry under its own number and throws MANIFEST_TWO_WRITERS; what this machine had appended then counts for
 * nothing until a person has decided which machine stays.
 */
import type { SealedObject } from '../format/object.ts';
import type { ManifestKey, TrustedKey } from '../keys/manifest-key.ts';
import type { Entry, Head, LiveObject, Removal } from './entry.ts';
import { ManifestError } from './errors.ts';
import { Journal } from './journal.ts';
import { LivePages } from './live-pages.ts';
import type { ManifestStore } from './manifest-store.ts';
import { headOf } from './read-manifest.ts';
import { type EntryFile, entryName, numberPrefix, signEntry, verifyEntry } from './signed-entry.ts';

const dayMs = 86_400_000;
const maxEntriesBetweenCheckpoints = 1000;
const saveEveryEntries = 50;

export interface WriterOptions {
  site: string;
  key: ManifestKey;
  /** Earlier keys of this site, whose entries may still lie on this disk. */
  earlierKeys?: readonly TrustedKey[];
  /** Of this writer alone; made if it is missing. */
  dir: string;
  now(): Date;
}

/** A kept entry without its content. */
interface Kept {
  head: Head;
  /** Names of its pages; null when it is no checkpoint. */
  pages: readonly { name: string }[] | null;
}

export class ManifestWriter {
  readonly #options: WriterOptions;
  readonly #trusted: readonly TrustedKey[];
  readonly #journal: Journal;
  readonly #live: LivePages;
  readonly #kept: Kept[] = [];
  #delivered = new Map<string, number>();
  readonly #delivering = new Map<string, Promise<unknown>>();
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: WriterOptions) {
    this.#options = options;
    this.#trusted = [
      { site: options.site, publicKey: options.key.publicKey },
      ...(options.earlierKeys ?? []),
    ];
    this.#journal = new Journal(options.dir);
    this.#live = new LivePages(this.#journal, options.site);
  }

  /** Reads this machine's own state alone, so that it works without any region. */
  static async open(options: WriterOptions): Promise<ManifestWriter> {
    const writer = new ManifestWriter(options);
    await writer.#load();
    return writer;
  }

  /** Null before the first entry. */
  get head(): Head | null {
    return this.#kept.at(-1)?.head ?? null;
  }

  /** Number of the last entry that this region is known to hold; 0: none. */
  delivered(store: string): number {
    return this.#delivered.get(store) ?? 0;
  }

  /** Every object that is live after the last entry, one page in memory at a time. */
  live(): AsyncGenerator<LiveObject> {
    return this.#live.all();
  }

  async append(change: { put?: SealedObject[]; removed?: Removal[]; checkpoint?: boolean }): Promise<Head> {
    return this.#inTurn(async () => {
      const head = this.head;
      const entry: Entry = {
        v: 1,
        site: this.#options.site,
        number: (head?.number ?? 0) + 1,
        previous: head?.sha256 ?? null,
        at: this.#options.now().toISOString(),
        put: change.put ?? [],
        removed: change.removed ?? [],
      };
      if (change.checkpoint === true || this.#checkpointIsDue(entry.at))
        entry.checkpoint = await this.#live.checkpoint(entry);
      const file = signEntry(entry, this.#options.key);
      await this.#journal.addEntry(file);
      this.#take(file);
      return headOf(file);
    });
  }

  /** Resolves when the region holds every entry; its number is the last one. Calls for one region wait for one another. */
  async deliver(store: ManifestStore, signal?: AbortSignal): Promise<number> {
    const before = this.#delivering.get(store.name) ?? Promise.resolve();
    const delivery = before.then(() => this.#deliver(store, signal));
    this.#delivering.set(
      store.name,
      delivery.catch(() => {}),
    );
    return delivery;
  }

  /** The region behind this name is another one now, or was emptied: it is brought the oldest kept checkpoint and what follows. */
  async beginAnew(store: string): Promise<void> {
    await this.#inTurn(async () => {
      this.#delivered.delete(store);
      await this.#journal.saveDelivered(this.#delivered);
    });
  }

  /** Forgets on this disk what all `stores` hold and no later checkpoint needs. */
  async tidy(stores: readonly string[]): Promise<void> {
    await this.#inTurn(async () => {
      const everywhere = Math.min(...stores.map((name) => this.delivered(name)));
      const checkpoint = this.#kept.findLastIndex(({ pages }) => pages !== null);
      const pending = this.#kept.findIndex(({ head }) => head.number > everywhere);
      const gone = this.#kept.splice(
        0,
        Math.max(0, pending < 0 ? checkpoint : Math.min(checkpoint, pending)),
      );
      const pages = this.#kept.flatMap((kept) => kept.pages ?? []).map(({ name }) => name);
      await this.#journal.forget(
        gone.map(({ head }) => head.number),
        new Set(pages),
      );
    });
  }

  async #deliver(store: ManifestStore, signal?: AbortSignal): Promise<number> {
    let since = 0;
    try {
      for (const { head, pages } of this.#kept.slice(this.#firstFor(store.name))) {
        signal?.throwIfAborted();
        await this.#bring(store, head, pages ?? [], signal);
        this.#delivered.set(store.name, head.number);
        since += 1;
        if (since % saveEveryEntries === 0) await this.#saveDelivered();
      }
    } finally {
      if (since > 0) await this.#saveDelivered();
    }
    return this.delivered(store.name);
  }

  async #saveDelivered(): Promise<void> {
    await this.#inTurn(() => this.#journal.saveDelivered(this.#delivered));
  }

  async #load(): Promise<void> {
    for (const file of await this.#journal.entries(this.#options.site, this.#trusted)) this.#take(file);
    this.#delivered = await this.#journal.delivered();
    if (this.#kept.length > 0 && this.#kept.every(({ pages }) => pages === null))
      throw new ManifestError('MANIFEST_STATE', this.#options.dir, 'it holds no checkpoint.');
  }

  #take(file: EntryFile): void {
    this.#kept.push({ head: headOf(file), pages: file.entry.checkpoint?.pages ?? null });
    this.#live.apply(file.entry);
  }

  #checkpointIsDue(at: string): boolean {
    const last = this.#kept.findLastIndex(({ pages }) => pages !== null);
    const checkpoint = this.#kept[last];
    if (checkpoint === undefined || this.#kept.length - last >= maxEntriesBetweenCheckpoints) return true;
    const apartMs = Math.abs(Date.parse(at) - Date.parse(checkpoint.head.at));
    return at.slice(0, 10) !== checkpoint.head.at.slice(0, 10) || apartMs >= dayMs;
  }

  /** A region that was never delivered to begins with the oldest kept checkpoint. */
  #firstFor(store: string): number {
    const delivered = this.#delivered.get(store);
    if (delivered === undefined)
      return Math.max(
        0,
        this.#kept.findIndex(({ pages }) => pages !== null),
      );
    const first = this.#kept.findIndex(({ head }) => head.number > delivered);
    return first < 0 ? this.#kept.length : first;
  }

  async #bring(store: ManifestStore, head: Head, pages: readonly { name: string }[], signal?: AbortSignal) {
    const name = entryName(this.#options.site, head.number, head.sha256);
    const bytes = await this.#journal.entryBytes(head.number);
    if (bytes === null) throw new ManifestError('MANIFEST_STATE', name, 'it is gone from this disk.');
    if (!(await this.#isAlone(store, name, head.number, signal))) {
      for (const page of pages) await this.#bringPage(store, page.name, signal);
      await store.put(name, bytes, signal);
      // Of two writers that both saw nothing before, at least one sees the other now.
      await this.#isAlone(store, name, head.number, signal);
      return;
    }
    const there = await store.get(name, signal);
    if (there === null || !bytes.equals(there))
      throw new ManifestError('MANIFEST_ALTERED', name, `${store.name} holds other bytes under this name.`);
  }

  /** Whether the entry itself is there; throws when another trusted one has its number. */
  async #isAlone(store: ManifestStore, own: string, number: number, signal?: AbortSignal): Promise<boolean> {
    let there = false;
    for await (const name of store.list(numberPrefix(this.#options.site, number), signal)) {
      if (name === own) there = true;
      else if (await this.#isTrusted(store, name, signal))
        throw new ManifestError('MANIFEST_TWO_WRITERS', name, `${store.name} has it instead of ${own}.`);
    }
    return there;
  }

  async #isTrusted(store: ManifestStore, name: string, signal?: AbortSignal): Promise<boolean> {
    const bytes = await store.get(name, signal);
    try {
      return bytes !== null && verifyEntry(name, bytes, this.#trusted) !== null;
    } catch (error) {
      if (error instanceof ManifestError) return false;
      throw error;
    }
  }

  async #bringPage(store: ManifestStore, name: string, signal?: AbortSignal): Promise<void> {
    for await (const there of store.list(name, signal)) if (there === name) return;
    const bytes = await this.#journal.page({ name, sha256: '', objects: 0 });
    if (bytes === null) throw new ManifestError('MANIFEST_STATE', name, 'the page is gone from this disk.');
    await store.put(name, bytes, signal);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}
