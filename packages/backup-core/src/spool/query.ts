import type Database from 'better-sqlite3';

/** Statements of one database, each prepared once. */
export class Query {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();

  constructor(database: Database.Database) {
    this.#database = database;
  }

  run(sql: string, ...values: unknown[]): void {
    this.#statement(sql).run(...values);
  }

  all<T>(sql: string, ...values: unknown[]): T[] {
    return this.#statement(sql).all(...values) as T[];
  }

  get<T>(sql: string, ...values: unknown[]): T | null {
    return (this.#statement(sql).get(...values) as T | undefined) ?? null;
  }

  /** The first column of the first row. */
  value<T>(sql: string, ...values: unknown[]): T | null {
    const row = this.get<Record<string, T>>(sql, ...values);
    return row === null ? null : (Object.values(row)[0] ?? null);
  }

  /** All or nothing, durable when it returns. */
  together(work: () => void): void {
    this.#database.transaction(work)();
  }

  #statement(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const made = this.#database.prepare(sql);
    this.#statements.set(sql, made);
    return made;
  }
}
