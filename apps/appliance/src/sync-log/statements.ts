/** The questions that the sync log asks of its file, prepared once. */
import type Database from 'better-sqlite3';

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: Database.Database) {
  return {
    getMeta: database.prepare('SELECT value FROM meta WHERE name = ?'),
    setMeta: database.prepare(
      'INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    ),
    insert: database.prepare('INSERT INTO txn (seq, committed_at, bytes, body) VALUES (?, ?, ?, ?)'),
    first: database.prepare('SELECT min(seq) AS seq FROM txn'),
    after: database.prepare<[number, number], { bytes: number; body: string }>(
      'SELECT bytes, body FROM txn WHERE seq > ? ORDER BY seq LIMIT ?',
    ),
    oldest: database.prepare('SELECT committed_at FROM txn WHERE seq > ? ORDER BY seq LIMIT 1'),
    bytesBetween: database.prepare(
      'SELECT coalesce(sum(bytes), 0) AS bytes FROM txn WHERE seq > ? AND seq <= ?',
    ),
  };
}
