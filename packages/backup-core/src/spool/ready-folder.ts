/**
 * The folder of sealed objects that wait. Beside each lies a note, its SealedObject as JSON, written after it and before the
 * queue knows of it: an object without a note was never finished, one with a note is complete whatever happens to the queue.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { type SealedObject, SealedObjectSchema } from '../format/object.ts';

const noteSuffix = '.json';

export class ReadyFolder {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Where the object of this name is, or is to be sealed into. */
  pathOf(name: string): string {
    return join(this.#folder, name.replaceAll('/', '+'));
  }

  has(name: string): boolean {
    return existsSync(this.pathOf(name));
  }

  /** The object is in its place and fsynced already. */
  async writeNote(object: SealedObject): Promise<void> {
    const path = this.pathOf(object.name) + noteSuffix;
    const file = await open(`${path}.new`, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(object));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    const folder = await open(this.#folder, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  async remove(name: string): Promise<void> {
    const path = this.pathOf(name);
    await rm(path + noteSuffix, { force: true });
    await rm(path, { force: true });
  }

  /** Removes what was never finished. @returns the objects that are complete here. */
  recover(): SealedObject[] {
    const complete: SealedObject[] = [];
    const entries = new Set(readdirSync(this.#folder));
    for (const entry of entries) {
      if (entry.endsWith(noteSuffix)) {
        const object = readNote(join(this.#folder, entry));
        if (object && entries.has(entry.slice(0, -noteSuffix.length))) complete.push(object);
        else rmSync(join(this.#folder, entry));
      } else if (!entries.has(entry + noteSuffix)) rmSync(join(this.#folder, entry), { recursive: true });
    }
    return complete;
  }
}

function readNote(path: string): SealedObject | null {
  try {
    const object: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Value.Check(SealedObjectSchema, object) ? (object as SealedObject) : null;
  } catch {
    return null;
  }
}
