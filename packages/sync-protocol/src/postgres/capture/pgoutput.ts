/**
 * Decoder of the `pgoutput` messages (protocol version 1) that keeps every value as Postgres text.
 *
 * Source: PostgreSQL manual, "Logical Replication Message Formats".
 */
import type { Row } from '../../transaction/transaction.ts';

/** A position in the WAL. Exact as a JavaScript number up to 8 PiB of WAL. */
export type Lsn = number;

export interface Relation {
  id: number;
  /** Schema-qualified name. */
  table: string;
  columns: string[];
}

export type Message =
  | { tag: 'begin'; finalLsn: Lsn; committedAt: number; xid: number }
  | { tag: 'commit'; endLsn: Lsn; committedAt: number }
  | { tag: 'origin'; name: string }
  | { tag: 'relation'; relation: Relation }
  | { tag: 'insert'; relation: Relation; after: Row }
  | { tag: 'update'; relation: Relation; before: Row; after: Row }
  | { tag: 'delete'; relation: Relation; before: Row }
  | { tag: 'truncate'; relations: Relation[] }
  | { tag: 'message'; transactional: boolean; prefix: string; content: string }
  /** A row of this table was changed; it was not decoded. */
  | { tag: 'passed_over'; table: string }
  | { tag: 'ignored' };

/** Postgres counts microseconds from 2000-01-01; the protocol from 1970-01-01. */
const postgresEpochUs = 946_684_800_000_000;

const rowTags = new Set(Buffer.from('IUD'));

export class PgoutputError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PgoutputError';
  }
}

/** Parses `16/B374D848`. */
export function parseLsn(text: string): Lsn {
  const [high = '', low = ''] = text.split('/');
  const lsn = Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
  if (!Number.isSafeInteger(lsn)) throw new PgoutputError(`${JSON.stringify(text)} is no WAL position`);
  return lsn;
}

export function formatLsn(lsn: Lsn): string {
  return `${Math.floor(lsn / 2 ** 32)
    .toString(16)
    .toUpperCase()}/${(lsn % 2 ** 32).toString(16).toUpperCase()}`;
}

/** Decodes one stream. Knows the relations that the stream has announced so far; start a new one per connection. */
export class PgoutputDecoder {
  readonly #relations = new Map<number, Relation>();

  /** @throws PgoutputError for bytes that are no message, RangeError for a message that ends too soon. */
  decode(buffer: Buffer): Message {
    const reader = new Reader(buffer);
    const tag = String.fromCharCode(reader.uint8());
    switch (tag) {
      case 'B':
        return { tag: 'begin', finalLsn: reader.uint64(), committedAt: reader.time(), xid: reader.uint32() };
      case 'C':
        reader.skip(1 + 8);
        return { tag: 'commit', endLsn: reader.uint64(), committedAt: reader.time() };
      case 'O':
        reader.skip(8);
        return { tag: 'origin', name: reader.cstring() };
      case 'R':
        return { tag: 'relation', relation: this.#relation(reader) };
      case 'I':
        return this.#insert(reader);
      case 'U':
        return this.#update(reader);
      case 'D':
        return this.#delete(reader);
      case 'T':
        return this.#truncate(reader);
      case 'M':
        return message(reader);
      case 'Y':
        return { tag: 'ignored' };
      default:
        throw new PgoutputError(`unknown message ${JSON.stringify(tag)}`);
    }
  }

  /** The table of which a row is inserted, updated or deleted, without decoding the row; null for any other message. */
  tableOf(buffer: Buffer): string | null {
    if (!rowTags.has(buffer[0] ?? 0) || buffer.length < 5) return null;
    return this.#relations.get(buffer.readUInt32BE(1))?.table ?? null;
  }

  #relation(reader: Reader): Relation {
    const id = reader.uint32();
    const table = `${reader.cstring() || 'pg_catalog'}.${reader.cstring()}`;
    reader.skip(1);
    const columns = Array.from({ length: reader.uint16() }, () => {
      reader.skip(1);
      const name = reader.cstring();
      reader.skip(8);
      return name;
    });
    const relation = { id, table, columns };
    this.#relations.set(id, relation);
    return relation;
  }

  #insert(reader: Reader): Message {
    const relation = this.#known(reader.uint32());
    expectKind(reader.uint8(), 'N');
    return { tag: 'insert', relation, after: tuple(reader, relation, null) };
  }

  #update(reader: Reader): Message {
    const relation = this.#known(reader.uint32());
    expectKind(reader.uint8(), 'O', relation);
    const before = tuple(reader, relation, null);
    expectKind(reader.uint8(), 'N');
    return { tag: 'update', relation, before, after: tuple(reader, relation, before) };
  }

  #delete(reader: Reader): Message {
    const relation = this.#known(reader.uint32());
    expectKind(reader.uint8(), 'O', relation);
    return { tag: 'delete', relation, before: tuple(reader, relation, null) };
  }

  #truncate(reader: Reader): Message {
    const count = reader.uint32();
    reader.skip(1);
    return { tag: 'truncate', relations: Array.from({ length: count }, () => this.#known(reader.uint32())) };
  }

  #known(id: number): Relation {
    const relation = this.#relations.get(id);
    if (!relation)
      throw new PgoutputError(`a change names relation ${id}, which the stream has not announced`);
    return relation;
  }
}

function message(reader: Reader): Message {
  const transactional = (reader.uint8() & 1) === 1;
  reader.skip(8);
  return { tag: 'message', transactional, prefix: reader.cstring(), content: reader.text(reader.uint32()) };
}

/** Without REPLICA IDENTITY FULL the old row is only a key or missing: such a change cannot be merged. */
function expectKind(kind: number, expected: 'N' | 'O', relation?: Relation): void {
  if (kind === expected.charCodeAt(0)) return;
  throw new PgoutputError(
    relation
      ? `${relation.table} has no REPLICA IDENTITY FULL`
      : `a tuple of kind ${kind} where ${expected} was due`,
  );
}

/** @param old The old row, which holds the TOAST values that an update left unchanged. */
function tuple(reader: Reader, relation: Relation, old: Row | null): Row {
  const count = reader.uint16();
  if (count !== relation.columns.length) {
    throw new PgoutputError(`${relation.table} has ${relation.columns.length} columns, the row ${count}`);
  }
  const row: Row = {};
  for (const column of relation.columns) {
    const kind = reader.uint8();
    if (kind === 0x74) row[column] = reader.text(reader.uint32());
    else if (kind === 0x6e) row[column] = null;
    else if (kind === 0x75 && old) row[column] = old[column] ?? null;
    else throw new PgoutputError(`${relation.table}.${column} has a value of kind ${kind}`);
  }
  return row;
}

class Reader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  uint8(): number {
    return this.#buffer.readUInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#buffer.readUInt16BE(this.#advance(2));
  }

  uint32(): number {
    return this.#buffer.readUInt32BE(this.#advance(4));
  }

  uint64(): number {
    const high = this.uint32();
    return high * 2 ** 32 + this.uint32();
  }

  /** Postgres counts from 2000, with a sign: a clock that starts in 1970 is before that. One before 1970 is no clock. */
  time(): number {
    const high = this.#buffer.readInt32BE(this.#advance(4));
    return Math.max(0, high * 2 ** 32 + this.uint32() + postgresEpochUs);
  }

  cstring(): string {
    const end = this.#buffer.indexOf(0, this.#at);
    if (end < 0) throw new PgoutputError('a string has no end');
    const text = this.#buffer.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return text;
  }

  text(length: number): string {
    const start = this.#advance(length);
    return this.#buffer.toString('utf8', start, start + length);
  }

  skip(bytes: number): void {
    this.#advance(bytes);
  }

  #advance(bytes: number): number {
    const start = this.#at;
    if (start + bytes > this.#buffer.length) throw new PgoutputError('a message ends too soon');
    this.#at = start + bytes;
    return start;
  }
}
