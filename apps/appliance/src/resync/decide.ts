/** How each difference is to be repaired: the pure decision, given what the cloud's feed and this campus's log tell. */
import { keyOf, maxAskedKeys, type Row, readDatedRows, rowId, type Table } from '@skooly-edge/sync-protocol';
import type { Pool } from 'pg';
import { inParts, sourceOf } from './compare.ts';
import { type Difference, type Repair, type ResyncMode, repairFor, type SharedTable } from './difference.ts';
import { type OwnLog, ownDeletes } from './repair.ts';
import type { ResyncRelay } from './resync-relay.ts';

export interface DecideContext {
  database: Pick<Pool, 'query'>;
  relay: ResyncRelay;
  log: OwnLog;
}

export interface DecidedDifference extends Difference {
  repair: Repair;
}

export async function decide(
  context: DecideContext,
  mode: ResyncMode,
  shared: SharedTable,
  differences: readonly Difference[],
  signal: AbortSignal,
): Promise<DecidedDifference[]> {
  const { table } = shared;
  const asked = mode === 'policy' ? differences : [];
  const written = await writtenHere(context.database, shared, asked);
  const history = await historyOf(context.relay, table, keysOf(asked), signal);
  const gone = asked.filter(({ kind }) => kind === 'cloud_only');
  const deletes = gone.length > 0 ? await ownDeletes(context.log, table, keysOf(gone)) : new Map();
  const judged = await judgedDeletes(context.database, table, [...deletes.values()]);
  return differences.map((difference) => {
    const id = rowId(table.name, difference.key);
    const { deleted = false, writtenAt = null } = history.get(id) ?? {};
    const own = deletes.get(id);
    const later = own !== undefined && (writtenAt === null || own.committedAt > writtenAt);
    const facts = {
      deletedInCloud: deleted,
      deletedHere: later && !judged.has(id),
      cloudIsLater: writtenAt !== null && writtenAt > (written.get(id) ?? 0),
    };
    return { ...difference, repair: repairFor(mode, table.rule, difference.kind, facts) };
  });
}

/** When this campus last wrote the rows that both sites have. */
async function writtenHere(
  database: DecideContext['database'],
  shared: SharedTable,
  differences: readonly Difference[],
): Promise<Map<string, number>> {
  const { table } = shared;
  const both = differences.filter(({ kind }) => kind === 'differs');
  const source = sourceOf({ table, columns: table.keyColumns });
  const written = new Map<string, number>();
  for (const part of inParts(keysOf(both), maxAskedKeys)) {
    for (const { row, writtenAt } of await readDatedRows(database, source, part))
      if (writtenAt !== null) written.set(rowId(table.name, keyOf(row, table.keyColumns)), writtenAt);
  }
  return written;
}

async function historyOf(
  relay: ResyncRelay,
  table: Table,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<Map<string, { deleted: boolean; writtenAt: number | null }>> {
  const known = new Map<string, { deleted: boolean; writtenAt: number | null }>();
  for (const part of inParts(keys, maxAskedKeys)) {
    const question = { table: table.name, keys: part as Record<string, string>[] };
    const { deleted, writtenAt } = await relay.history(question, signal);
    for (const [i, key] of part.entries()) {
      known.set(rowId(table.name, key), { deleted: deleted[i] ?? false, writtenAt: writtenAt[i] ?? null });
    }
  }
  return known;
}

/** Deletes of this campus that the cloud did hear of, since there is a conflict about them. */
async function judgedDeletes(
  database: DecideContext['database'],
  table: Table,
  deletes: readonly { change: { key: Row }; seq: number }[],
): Promise<Set<string>> {
  if (deletes.length === 0) return new Set();
  const { rows } = await database.query<{ row_key: string }>(
    `SELECT row_key FROM sync.conflict c
     JOIN unnest($2::jsonb[], $3::bigint[]) AS d (key, seq) ON c.row_key = d.key AND c.campus_seq = d.seq
     WHERE table_name = $1`,
    [table.name, deletes.map(({ change }) => JSON.stringify(change.key)), deletes.map(({ seq }) => seq)],
  );
  return new Set(rows.map((row) => rowId(table.name, keyOf(JSON.parse(row.row_key), table.keyColumns))));
}

function keysOf(differences: readonly Difference[]): Row[] {
  return differences.map(({ key }) => key);
}
