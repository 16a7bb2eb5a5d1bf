import type { ManifestStore } from '../../packages/backup-core/src/manifest/manifest-store.ts';

/** A region in memory, whose content a test may tamper with, and that can be away or fail at a chosen request. */
export class MemoryManifestStore implements ManifestStore {
  readonly name: string;
  readonly files = new Map<string, Buffer>();
  away = false;
  /** Fails before that many more puts; the last of them is stored, and its answer lost. */
  putsUntilCut: number | null = null;
  requests = 0;

  constructor(name: string) {
    this.name = name;
  }

  async *list(prefix: string): AsyncIterable<string> {
    this.#ask();
    yield* [...this.files.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  async get(name: string): Promise<Uint8Array | null> {
    this.#ask();
    return this.files.get(name) ?? null;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    this.#ask();
    if (this.files.has(name)) throw new Error(`${name} would be overwritten`);
    this.files.set(name, Buffer.from(bytes));
    if (this.putsUntilCut === null) return;
    this.putsUntilCut -= 1;
    if (this.putsUntilCut > 0) return;
    this.putsUntilCut = null;
    throw new Error('the cable was cut');
  }

  #ask(): void {
    this.requests += 1;
    if (this.away) throw new Error(`${this.name} is away`);
  }
}
