/**
 * Parked transactions: what the cloud cannot apply is kept whole with its reason, the rows it touched are corrected on
 * campus to what the cloud has, and only what touches the same rows waits with it.
 */
import {
  encodeTransaction,
  keyOf,
  type Row,
  readRows,
  rowId,
  type Transaction,
} from '@skooly-edge/sync-protocol';
import type { ClientBase } from 'pg';
import type { IngestContext } from './ingest-context.ts';
import type { Outcome } from './outcome.ts';
import type { Refusal } from './refusal.ts';

export async function park(
  client: ClientBase,
  context: IngestContext,
  transaction: Transaction,
  refusal: Refusal,
  outcome: Outcome,
): Promise<void> {
  const { campus, epoch } = context;
  await client.query(
    'INSERT INTO sync.parked (campus, epoch, seq, kind, detail, body) VALUES ($1, $2, $3, $4, $5, $6)',
    [campus, epoch, transaction.seq, refusal.kind, refusal.detail, encodeTransaction(transaction)],
  );
  const rows = new Set(transaction.changes.map((change) => rowId(change.table, change.key)));
  await client.query(
    'INSERT INTO sync.parked_row (campus, epoch, seq, row_id) SELECT $1, $2, $3, unnest($4::text[])',
    [campus, epoch, transaction.seq, [...rows]],
  );
  for (const change of transaction.changes) outcome.correct(change.table, change.key);
  await outcome.recordRefusal(transaction, refusal, await blamedRow(client, context, transaction, refusal));
}

/** Rows of this campus's parked transactions → the kind of refusal that they wait for. */
export async function waitingRows(client: ClientBase, campus: string): Promise<Map<string, string>> {
  const { rows } = await client.query<{ row_id: string; kind: string }>(
    'SELECT r.row_id, p.kind FROM sync.parked_row r JOIN sync.parked p USING (campus, epoch, seq) WHERE campus = $1',
    [campus],
  );
  return new Map(rows.map((row) => [row.row_id, row.kind]));
}

export async function parkedCount(client: Pick<ClientBase, 'query'>, campus: string): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    'SELECT count(*) FROM sync.parked WHERE campus = $1',
    [campus],
  );
  return Number(rows[0]?.count ?? 0);
}

/** The cloud's row that the refused change speaks of, if it belongs to this campus. */
async function blamedRow(
  client: ClientBase,
  context: IngestContext,
  transaction: Transaction,
  refusal: Refusal,
): Promise<Row | null> {
  const change = refusal.change ?? transaction.changes[0];
  const table = change && context.catalog.tables.get(change.table);
  if (!table || refusal.kind === 'column_unknown') return null;
  const [row] = await readRows(client, table, [keyOf(change.key, table.keyColumns)]);
  const { scope } = table.rule;
  return row && (scope === null || row[scope] === context.campus) ? row : null;
}
