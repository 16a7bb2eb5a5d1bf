/** The committed rows of one table, with an index for each of its unique keys. */
import { type Row, rowId } from '@skooly-edge/sync-protocol';
import type { TableDefinition } from './schema.ts';

export interface StoredRow {
  row: Row;
  /** Commit time of the transaction that wrote it, microseconds since 1970; null while it has not committed. */
  writtenAt: number | null;
  /** The replication origin of that transaction. */
  origin: string | null;
}

export class ModelTable {
  readonly definition: TableDefinition;
  readonly columnNames: string[];
  #rows: Map<string, StoredRow>;
  /** Constraint → value → identity of the row that has it. */
  readonly #indexes = new Map<string, Map<string, string>>();

  constructor(definition: TableDefinition, rows: ReadonlyMap<string, StoredRow> = new Map()) {
    this.definition = definition;
    this.columnNames = Object.keys(definition.columns);
    this.#rows = new Map();
    for (const { name } of definition.unique ?? []) this.#indexes.set(name, new Map());
    for (const [id, stored] of rows) this.put(id, stored);
  }

  get rows(): ReadonlyMap<string, StoredRow> {
    return this.#rows;
  }

  idOf(row: Row): string {
    return rowId(this.definition.name, this.keyOf(row));
  }

  keyOf(row: Row): Row {
    return Object.fromEntries(this.definition.primaryKey.map((column) => [column, row[column] ?? null]));
  }

  holderOf(constraint: string, value: string): string | undefined {
    return this.#indexes.get(constraint)?.get(value);
  }

  put(id: string, stored: StoredRow | null): void {
    const old = this.#rows.get(id);
    for (const [constraint, value] of old ? this.entriesOf(old.row) : []) {
      const index = this.#indexes.get(constraint);
      if (index?.get(value) === id) index.delete(value);
    }
    if (!stored) {
      this.#rows.delete(id);
      return;
    }
    this.#rows.set(id, stored);
    for (const [constraint, value] of this.entriesOf(stored.row))
      this.#indexes.get(constraint)?.set(value, id);
  }

  /** What the row has in each unique index; a null is equal to nothing. */
  entriesOf(row: Row): [constraint: string, value: string][] {
    return (this.definition.unique ?? []).flatMap(({ name, columns }): [string, string][] => {
      const values = columns.map((column) => row[column] ?? null);
      return values.includes(null) ? [] : [[name, JSON.stringify(values)]];
    });
  }
}
