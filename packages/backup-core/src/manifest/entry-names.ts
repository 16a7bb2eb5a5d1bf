import type { ManifestStore } from './manifest-store.ts';
import { manifestPrefix, numberPrefix, parseEntryName } from './signed-entry.ts';

/** One request of S3 lists so many names. */
const listAtOnce = 1000;
const digits = '9876543210';
const blockDigits = 9;

/**
 * Finds names of entries by their numbers without listing a chain of years: prefixes are narrowed down digit by digit, and
 * then read in blocks of a thousand numbers.
 */
export class EntryNames {
  readonly #store: ManifestStore;
  readonly #site: string;
  readonly #signal: AbortSignal | undefined;
  readonly #blocks = new Map<string, Promise<string[]>>();

  constructor(store: ManifestStore, site: string, signal?: AbortSignal) {
    this.#store = store;
    this.#site = site;
    this.#signal = signal;
  }

  /** Every name of that number: one, unless somebody else has written here. */
  async of(number: number): Promise<string[]> {
    const prefix = numberPrefix(this.#site, number);
    const block = prefix.slice(0, manifestPrefix(this.#site).length + blockDigits);
    let names = this.#blocks.get(block);
    if (names === undefined) {
      names = this.#upTo(block, Number.POSITIVE_INFINITY);
      this.#blocks.set(block, names);
    }
    return (await names).filter((name) => name.startsWith(prefix) && parseEntryName(name) !== null);
  }

  /** The highest number that any name has; null when there is none. */
  async newest(prefix = manifestPrefix(this.#site)): Promise<number | null> {
    const names = await this.#upTo(prefix, listAtOnce);
    if (names.length < listAtOnce) return highest(names);
    if (prefix.length === numberPrefix(this.#site, 1).length) return highest(names);
    const found = await Promise.all([...digits].map((digit) => this.#any(prefix + digit)));
    for (const [index, any] of found.entries()) {
      const number = any ? await this.newest(prefix + digits[index]) : null;
      if (number !== null) return number;
    }
    return null;
  }

  async #any(prefix: string): Promise<boolean> {
    return (await this.#upTo(prefix, 1)).length > 0;
  }

  async #upTo(prefix: string, limit: number): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.#store.list(prefix, this.#signal)) {
      names.push(name);
      if (names.length >= limit) break;
    }
    return names;
  }
}

function highest(names: string[]): number | null {
  const numbers = names.flatMap((name) => parseEntryName(name)?.number ?? []);
  return numbers.length === 0 ? null : Math.max(...numbers);
}
