/**
 * What a writer keeps on its disk: every entry from the latest checkpoint on and every one that a region lacks, the
 * pages that they name, and how far each region is. A file is there whole or not at all; the name of an entry is its number alone, so that
 * two writers of one folder cannot both make the same number.
 */

import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { TrustedKey } from '../keys/manifest-key.ts';
import type { PageReference } from './entry.ts';
import { ManifestError } from './errors.ts';
import { type EntryFile, entryName, sha256Of, verifyEntry } from './signed-entry.ts';

export class Journal {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Verified, chained, in ascending order. */
  async entries(site: string, trusted: readonly TrustedKey[]): Promise<EntryFile[]> {
    await mkdir(this.#entries, { recursive: true, mode: 0o700 });
    await mkdir(this.#pages, { recursive: true, mode: 0o700 });
    const files: EntryFile[] = [];
    for (const name of (await readdir(this.#entries)).sort()) {
      const path = join(this.#entries, name);
      if (!/^[0-9]{12}\.json$/.test(name)) {
        await rm(path);
        continue;
      }
      const file = await this.#verified(path, Number(name.slice(0, 12)), site, trusted);
      const before = files.at(-1);
      if (before !== undefined && file.entry.previous !== before.sha256)
        throw new ManifestError('MANIFEST_STATE', path, 'it does not follow the entry before it.');
      files.push(file);
    }
    return files;
  }

  /** Throws MANIFEST_TWO_WRITERS when that number is there already. */
  async addEntry({ name, entry, bytes }: EntryFile): Promise<void> {
    const path = this.#entryPath(entry.number);
    const temporary = await this.#written(this.#entries, bytes);
    try {
      await link(temporary, path);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
      throw new ManifestError('MANIFEST_TWO_WRITERS', name, `${path} was written by somebody else.`, {
        cause,
      });
    } finally {
      await rm(temporary);
    }
    await syncFolder(this.#entries);
  }

  async addPage(name: string, bytes: Uint8Array): Promise<void> {
    await rename(await this.#written(this.#pages, bytes), this.#pagePath(name));
    await syncFolder(this.#pages);
  }

  async page({ name }: PageReference): Promise<Buffer | null> {
    return readFile(this.#pagePath(name)).catch(absent);
  }

  async entryBytes(number: number): Promise<Buffer | null> {
    return readFile(this.#entryPath(number)).catch(absent);
  }

  /** How far each region is; empty at first. */
  async delivered(): Promise<Map<string, number>> {
    const text = await readFile(this.#deliveredPath, 'utf8').catch(absent);
    if (text === null) return new Map();
    return new Map(Object.entries(JSON.parse(text) as Record<string, number>));
  }

  async saveDelivered(delivered: ReadonlyMap<string, number>): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(Object.fromEntries(delivered)));
    await rename(await this.#written(this.#dir, bytes), this.#deliveredPath);
    await syncFolder(this.#dir);
  }

  async forget(numbers: readonly number[], pagesToKeep: ReadonlySet<string>): Promise<void> {
    for (const number of numbers) await rm(this.#entryPath(number), { force: true });
    const keep = new Set([...pagesToKeep].map((name) => basename(name)));
    for (const name of await readdir(this.#pages)) if (!keep.has(name)) await rm(join(this.#pages, name));
  }

  get #entries(): string {
    return join(this.#dir, 'entries');
  }

  get #pages(): string {
    return join(this.#dir, 'pages');
  }

  get #deliveredPath(): string {
    return join(this.#dir, 'delivered.json');
  }

  #entryPath(number: number): string {
    return join(this.#entries, `${String(number).padStart(12, '0')}.json`);
  }

  #pagePath(name: string): string {
    return join(this.#pages, basename(name));
  }

  async #verified(path: string, number: number, site: string, trusted: readonly TrustedKey[]) {
    const bytes = await readFile(path);
    try {
      return verifyEntry(entryName(site, number, sha256Of(bytes)), bytes, trusted);
    } catch (cause) {
      throw new ManifestError('MANIFEST_STATE', path, 'it is damaged, or signed by another key.', { cause });
    }
  }

  async #written(folder: string, bytes: Uint8Array): Promise<string> {
    const path = join(folder, `.${randomBytes(6).toString('hex')}.part`);
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    return path;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
