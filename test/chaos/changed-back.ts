/**
 * The merge compares values: what the cloud changed and changed back is unchanged to it (PROTOCOL.md, "Kinds that are merged"), and an older write of a
 * campus goes through without a conflict. The box's own log tells whether that is what became of a value that was acknowledged.
 */
import { join } from 'node:path';
import type { Transaction } from '@skooly-edge/sync-protocol';
import Database from 'better-sqlite3';

export interface Overruled {
  readonly table: string;
  readonly id: string;
  readonly column: string | null;
  /** What was acknowledged last in the cloud. */
  readonly expected: string | null;
  /** What stands. */
  readonly cloud: string | null;
}

/** Whether the campus that wrote what stands had seen what was acknowledged: the cloud had come back to that very value. */
export function isChangedBack(stateDir: string, { table, id, column, expected, cloud }: Overruled): boolean {
  if (column === null) return false;
  const log = new Database(join(stateDir, 'sync-log.sqlite'), { readonly: true });
  try {
    const bodies = log
      .prepare<[string], { body: string }>('SELECT body FROM txn WHERE instr(body, ?) > 0')
      .all(id);
    return bodies.some(({ body }) =>
      (JSON.parse(body) as Transaction).changes.some(
        (change) =>
          change.table === table &&
          change.key.id === id &&
          (change.before?.[column] ?? null) === expected &&
          (change.after?.[column] ?? null) === cloud,
      ),
    );
  } finally {
    log.close();
  }
}
