/**
 * Brings rows of a campus to what the cloud has: each is read under a lock and told in a correction, which takes its place
 * in the order of the cloud's commits, so that nothing later is undone by it. What the campus had instead is kept as a
 * settled conflict in the same commit.
 *
 * A row that is not there cannot be locked: after the commit it is looked for once more, and corrected again if somebody
 * inserted it meanwhile. May be called again with the same rows, which costs the same corrections a second time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CorrectedMessage,
  type Correction,
  type CorrectRequest,
  conflictTable,
  correctedMessage,
  type DigestSource,
  insertRows,
  keptConflict,
  keyOf,
  type Row,
  readDatedRows,
  readVersions,
} from '@skooly-edge/sync-protocol';
import type { PoolClient } from 'pg';
import { RelayError } from '../errors.ts';
import { idOf, keysByBytes, type ResyncContext, sourceOf } from './resync.ts';

/** Writers in the cloud go first: a row that stays locked for longer is asked for again by the box. */
const lockTimeout = '2s';

/** How often a commit is begun anew because of other writers, or a row appears that was not there. */
const maxAttempts = 5;
const retryDelayMs = 50;

/** @returns how many corrections were written. @throws RelayError REQUEST_INVALID, DATABASE_UNAVAILABLE */
export async function correctRows(
  context: ResyncContext,
  { resync, table, rows }: CorrectRequest,
  now: Date,
): Promise<number> {
  const keys = rows.map(({ key }) => key);
  const source = sourceOf(context, table, null, keys);
  const kept = new Map(rows.map(({ key, campus }) => [idOf(source.table, key), campus]));
  const keep = (correction: Correction): Row[] => {
    const campusRow = kept.get(idOf(source.table, correction.key)) ?? null;
    if (!campusRow) return [];
    const { campus } = context;
    const { key, row: cloudRow } = correction;
    const at = now.toISOString();
    return [keptConflict({ resync, campus, table, key, campusRow, cloudRow, winner: 'cloud', at })];
  };
  let written = 0;
  for (let left: Row[] = keys, attempt = 1; left.length > 0 && attempt <= maxAttempts; attempt++) {
    const absent: Row[] = [];
    for (const part of await keysByBytes(context.pool, source, left)) {
      const corrections = await patiently(context, (client) =>
        commitPart(client, context, source, part, keep),
      );
      written += corrections.length;
      absent.push(...corrections.filter(({ row }) => row === null).map(({ key }) => key));
    }
    left = await nowThere(context, source, absent);
  }
  return written;
}

async function commitPart(
  client: PoolClient,
  { campus, catalog }: ResyncContext,
  source: DigestSource,
  keys: readonly Row[],
  keep: (correction: Correction) => Row[],
): Promise<Correction[]> {
  await client.query('BEGIN');
  await client.query(`SET LOCAL lock_timeout = '${lockTimeout}'`);
  const found = await readDatedRows(client, source, keys, 'FOR SHARE OF t');
  const rows = new Map(found.map(({ row }) => [idOf(source.table, row), row]));
  const corrections = keys.map((key) => ({
    table: source.table.name,
    key: keyOf(key, source.table.keyColumns),
    row: rows.get(idOf(source.table, key)) ?? null,
  }));
  const conflicts = corrections.flatMap(keep);
  const inbox = catalog.tables.get(conflictTable);
  if (inbox && conflicts[0]) await insertRows(client, inbox, Object.keys(conflicts[0]), conflicts);
  const message: CorrectedMessage = { campus, corrections };
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [
    correctedMessage,
    JSON.stringify(message),
  ]);
  await client.query('COMMIT');
  return corrections;
}

async function nowThere(context: ResyncContext, source: DigestSource, keys: Row[]): Promise<Row[]> {
  if (keys.length === 0) return [];
  const versions = await readVersions(context.pool, source, keys);
  const there = new Set(versions.map(({ key }) => JSON.stringify(key)));
  return keys.filter((key) => there.has(JSON.stringify(source.table.keyColumns.map((name) => key[name]))));
}

/** 40P01: deadlock broken, 55P03: the lock was not to be had in time. */
async function patiently<T>({ pool }: ResyncContext, commit: (client: PoolClient) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const client = await pool.connect();
    let reusable = true;
    try {
      return await commit(client);
    } catch (cause) {
      reusable = await client.query('ROLLBACK').then(
        () => true,
        () => false,
      );
      if (!['40P01', '55P03'].includes((cause as { code?: string }).code ?? '')) throw cause;
      if (attempt === maxAttempts)
        throw new RelayError('DATABASE_UNAVAILABLE', 'The rows are locked by a writer.', {}, { cause });
    } finally {
      client.release(!reusable);
    }
    await sleep(retryDelayMs * attempt);
  }
}
