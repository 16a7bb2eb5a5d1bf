/**
 * Repairs rows that differ, a part at a time. Where the campus speaks, it locks its rows, waits until capture has passed
 * them, and logs them behind whatever it logged before, so that no older state follows a newer one; where the cloud
 * speaks, the relay is asked for corrections. Everything travels as it always does, and what one side loses is kept as
 * a conflict. A part that is repaired twice comes to the same.
 */
import {
  type Change,
  type CorrectRequest,
  type DatedRow,
  insertRows,
  keptConflict,
  keyOf,
  maxCorrectedRows,
  maxRowsBytes,
  partsOf,
  type Row,
  readDatedRows,
  rowId,
  type Table,
  type Transaction,
} from '@skooly-edge/sync-protocol';
import type { Pool, PoolClient } from 'pg';
import { inParts, sourceOf } from './compare.ts';
import type { Repair, SharedTable } from './difference.ts';
import type { ResyncRelay } from './resync-relay.ts';

/** The sync log, as far as a resync writes and reads it. */
export interface OwnLog {
  /**
   * @param committedAt Microseconds since 1970-01-01 UTC.
   * @param stamp Boot and monotonic time of a transaction that is repeated; left out for what is said now.
   */
  appendOwn(
    changes: readonly Change[],
    committedAt: number,
    stamp?: Pick<Transaction, 'boot' | 'mono'>,
  ): number;
  /** Every transaction that is still kept, in order. */
  kept(): Iterable<Transaction>;
  /** Nothing may be appended now: a large transaction is being logged part by part. */
  amidParts(): boolean;
}

export interface RepairContext {
  database: Pool;
  relay: ResyncRelay;
  campus: string;
  log: OwnLog;
  /** The synced table of conflicts, as the campus has it. */
  inbox: Table;
  /** Resolves when every local commit before the call is in the log. */
  captured(signal: AbortSignal): Promise<void>;
  /** Waits until the bytes may be moved. */
  spend(bytes: number, signal: AbortSignal): Promise<void>;
  now(): Date;
}

export interface RowToRepair {
  key: Row;
  bytes: number;
}

/** Rows that are locked at once. */
const lockedRows = 200;

/** Local users go first: rows that stay locked for longer are tried again later. */
const lockTimeout = '1s';

/** How long capture may take to pass a local commit while the rows are locked. */
const capturedTimeoutMs = 10_000;

/** @param resync Id of the run. */
export async function repairPart(
  context: RepairContext,
  resync: string,
  shared: SharedTable,
  repair: Repair,
  rows: readonly RowToRepair[],
  signal: AbortSignal,
): Promise<void> {
  const largest = repair === 'correct' ? maxCorrectedRows : lockedRows;
  for (const some of inParts(rows, largest)) {
    for (const part of partsOf(some, maxRowsBytes, ({ bytes }) => bytes)) {
      const keys = part.map(({ key }) => key);
      if (repair === 'offer') await offer(context, resync, shared, keys, signal);
      else if (repair === 'correct') await correct(context, resync, shared, keys, signal);
      else if (repair === 'repeat_delete') await repeatDelete(context, shared, keys, signal);
      else await overwrite(context, resync, shared, keys, signal);
    }
  }
}

async function offer(
  context: RepairContext,
  resync: string,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<void> {
  const { table } = shared;
  const { readOnlyColumns } = table.rule;
  const cloud =
    readOnlyColumns.length > 0 ? await cloudRows(context, shared, keys, signal) : new Map<string, Row>();
  const offered: Change[] = [];
  const readOnly: Row[] = [];
  await withOwnRows(context, shared, keys, signal, (rows) => {
    for (const { row, writtenAt } of rows) {
      const cloudRow = cloud.get(idOf(table, row));
      if (cloudRow && readOnlyColumns.some((name) => row[name] !== cloudRow[name])) {
        readOnly.push(keyOf(row, table.keyColumns));
        continue;
      }
      const change = insertOf(table, row);
      // A row whose time Postgres no longer knows never wins by its age.
      context.log.appendOwn([change], writtenAt ?? 0);
      offered.push(change);
    }
  });
  // The merge of an insert would let the campus win in columns that it may not write.
  if (readOnly.length > 0) await correct(context, resync, shared, readOnly, signal);
  await context.spend(bytesOf(offered), signal);
}

async function correct(
  context: RepairContext,
  resync: string,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<void> {
  const { table } = shared;
  const own = await readDatedRows(context.database, sourceOf(shared), keys);
  const rows = new Map(own.map(({ row }) => [idOf(table, row), row]));
  const request = {
    resync,
    table: table.name,
    rows: keys.map((key) => ({ key, campus: rows.get(idOf(table, key)) ?? null })),
  };
  await context.relay.correct(request as CorrectRequest, signal);
}

/** The campus's state stands: changes whose `before` is what the cloud has now. What that was is kept first. */
async function overwrite(
  context: RepairContext,
  resync: string,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<void> {
  const { table } = shared;
  const cloud = await cloudRows(context, shared, keys, signal);
  const own = await readDatedRows(context.database, sourceOf(shared), keys);
  await keep(
    context,
    resync,
    table,
    cloud,
    own.map(({ row }) => row),
  );
  const logged: Change[] = [];
  const readOnly: Row[] = [];
  const committedAt = context.now().getTime() * 1_000;
  await withOwnRows(context, shared, keys, signal, (locked) => {
    const rows = new Map(locked.map(({ row }) => [idOf(table, row), row]));
    for (const key of keys) {
      const row = rows.get(idOf(table, key)) ?? null;
      const cloudRow = cloud.get(idOf(table, key)) ?? null;
      const change = changeInto(table, key, cloudRow, row);
      if (change) context.log.appendOwn([change], committedAt);
      if (change) logged.push(change);
      if (table.rule.readOnlyColumns.some((name) => row && cloudRow && row[name] !== cloudRow[name]))
        readOnly.push(key);
    }
  });
  // Columns that a campus may not write are the cloud's whoever wins.
  if (readOnly.length > 0) await correct(context, resync, shared, readOnly, signal);
  await context.spend(bytesOf(logged), signal);
}

async function repeatDelete(
  context: RepairContext,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<void> {
  const { table } = shared;
  const deletes = await ownDeletes(context.log, table, keys);
  await withOwnRows(context, shared, keys, signal, (rows) => {
    const here = new Set(rows.map(({ row }) => idOf(table, row)));
    for (const key of keys) {
      const found = deletes.get(idOf(table, key));
      if (found && !here.has(idOf(table, key)))
        context.log.appendOwn([found.change], found.committedAt, found.stamp);
    }
  });
}

interface OwnDelete {
  change: Change;
  committedAt: number;
  stamp: Pick<Transaction, 'boot' | 'mono'>;
  seq: number;
}

/** The last thing that this campus did to each of the rows, where that was a delete. */
export async function ownDeletes(
  log: OwnLog,
  table: Table,
  keys: readonly Row[],
): Promise<Map<string, OwnDelete>> {
  const wanted = new Set(keys.map((key) => idOf(table, key)));
  const found = new Map<string, OwnDelete>();
  let read = 0;
  for (const { seq, committedAt, boot, mono, changes } of log.kept()) {
    for (const change of changes) {
      if (change.table !== table.name) continue;
      const id = rowId(change.table, change.key);
      if (change.op === 'delete' && wanted.has(id))
        found.set(id, { change, committedAt, stamp: { boot, mono }, seq });
      else found.delete(id);
    }
    // A long log is read without keeping everybody else from the event loop.
    if (++read % 1_000 === 0) await new Promise(setImmediate);
  }
  return found;
}

async function cloudRows(
  { relay }: RepairContext,
  { table, columns }: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
): Promise<Map<string, Row>> {
  const found = new Map<string, Row>();
  for (let left = keys; left.length > 0; ) {
    const question = { table: table.name, columns: [...columns], keys: left as Record<string, string>[] };
    const { rows } = await relay.rows(question, signal);
    if (rows.length === 0) throw new Error('the relay answers no rows');
    for (const row of rows) if (row) found.set(idOf(table, row), row);
    left = left.slice(rows.length);
  }
  return found;
}

/** In a commit of the campus's own, so that the conflicts travel; before the rows are overwritten. */
async function keep(
  { database, campus, inbox, now }: RepairContext,
  resync: string,
  table: Table,
  cloud: ReadonlyMap<string, Row>,
  own: readonly Row[],
): Promise<void> {
  const rows = new Map(own.map((row) => [idOf(table, row), row]));
  const at = now().toISOString();
  const conflicts = [...cloud].map(([id, cloudRow]) => {
    const key = keyOf(cloudRow, table.keyColumns);
    const campusRow = rows.get(id) ?? null;
    return keptConflict({
      resync,
      campus,
      table: table.name,
      key,
      campusRow,
      cloudRow,
      winner: 'campus',
      at,
    });
  });
  if (!conflicts[0]) return;
  const client = await database.connect();
  try {
    await insertRows(client, inbox, Object.keys(conflicts[0]), conflicts);
  } finally {
    client.release();
  }
}

/** Locks the rows, and hands them over once capture has passed everything that was committed before. */
async function withOwnRows(
  { database, captured, log: ownLog }: RepairContext,
  shared: SharedTable,
  keys: readonly Row[],
  signal: AbortSignal,
  log: (rows: DatedRow[]) => void,
): Promise<void> {
  const client = await database.connect();
  let reusable = false;
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL lock_timeout = '${lockTimeout}'`);
    const rows = await readDatedRows(client, sourceOf(shared), keys, 'FOR SHARE OF t');
    await captured(AbortSignal.any([signal, AbortSignal.timeout(capturedTimeoutMs)]));
    if (ownLog.amidParts()) throw new Error('A large transaction of this campus is being logged.');
    log(rows);
  } finally {
    reusable = await isRolledBack(client);
    client.release(!reusable);
  }
}

async function isRolledBack(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

function insertOf(table: Table, row: Row): Change {
  const change: Change = {
    table: table.name,
    key: keyOf(row, table.keyColumns),
    op: 'insert',
    before: null,
    after: row,
  };
  return withAuthor(table, change, row);
}

/** @returns null when there is nothing that the campus would change. */
export function changeInto(table: Table, key: Row, cloudRow: Row | null, row: Row | null): Change | null {
  if (!cloudRow) return row && insertOf(table, row);
  if (!row) return { table: table.name, key, op: 'delete', before: cloudRow, after: null };
  const columns = Object.keys(row).filter(
    (name) => row[name] !== cloudRow[name] && !table.rule.readOnlyColumns.includes(name),
  );
  if (columns.length === 0) return null;
  const pick = (from: Row): Row => Object.fromEntries(columns.map((name) => [name, from[name] ?? null]));
  const change: Change = { table: table.name, key, op: 'update', before: pick(cloudRow), after: pick(row) };
  return withAuthor(table, change, row);
}

function withAuthor({ rule }: Table, change: Change, row: Row): Change {
  return rule.by === null ? change : { ...change, by: row[rule.by] ?? null };
}

function idOf(table: Table, row: Row): string {
  return rowId(table.name, keyOf(row, table.keyColumns));
}

function bytesOf(changes: readonly Change[]): number {
  return changes.reduce((sum, change) => sum + Buffer.byteLength(JSON.stringify(change)), 0);
}
