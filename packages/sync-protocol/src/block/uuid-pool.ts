/** The UUIDs of a block, each once, sixteen bytes apiece: they do not compress, so they stand apart from what does. */
import type { Value } from '../transaction/transaction.ts';
import { type ColumnCode, ColumnError } from './column-code.ts';

const bytesEach = 16;
const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class UuidWriter {
  readonly #places = new Map<string, number>();

  /** @returns null when not all of the values are UUIDs as Postgres prints them, or NULL. */
  references(values: readonly Value[]): ColumnCode | null {
    if (!values.every((value) => value === null || (value.length === 36 && shape.test(value)))) return null;
    const places = this.#places;
    const references = values.map((value) => {
      if (value === null) return null;
      const place = places.get(value);
      if (place !== undefined) return places.size - place;
      places.set(value, places.size);
      return 0;
    });
    return ['u', references];
  }

  bytes(): Buffer {
    return Buffer.from([...this.#places.keys()].join('').replaceAll('-', ''), 'hex');
  }
}

const hexDigits = Buffer.from('0123456789abcdef');
const dash = 0x2d;

export class UuidReader {
  readonly #texts: string[] = [];
  #used = 0;

  /** @throws ColumnError */
  constructor(bytes: Uint8Array) {
    if (bytes.length % bytesEach !== 0) throw new ColumnError('the pool ends within a UUID');
    const text = Buffer.allocUnsafe((bytes.length / bytesEach) * 36);
    let at = 0;
    for (let i = 0; i < bytes.length; i++) {
      const inUuid = i % bytesEach;
      if (inUuid === 4 || inUuid === 6 || inUuid === 8 || inUuid === 10) text[at++] = dash;
      const byte = bytes[i] as number;
      text[at++] = hexDigits[byte >> 4] as number;
      text[at++] = hexDigits[byte & 15] as number;
    }
    const all = text.toString('latin1');
    for (let start = 0; start < all.length; start += 36) this.#texts.push(all.slice(start, start + 36));
  }

  /** @throws ColumnError for a reference to one that has not come yet, or is not there. */
  values(references: readonly (number | null)[]): Value[] {
    return references.map((reference) => {
      if (reference === null) return null;
      const text = reference === 0 ? this.#texts[this.#used++] : this.#texts[this.#used - reference];
      if (text === undefined || reference > this.#used)
        throw new ColumnError('a column refers to a UUID that is not there');
      return text;
    });
  }
}
