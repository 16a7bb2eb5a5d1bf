/**
 * What applying a group leaves behind besides the rows: conflicts, and the corrections that bring the campus to what the
 * cloud has. Written at the end of the commit, when every row stands as it will stay.
 */
import { createHash } from 'node:crypto';
import {
  type Change,
  type CommitTime,
  type Correction,
  conflictTable,
  isCertain,
  keyOf,
  type MergeConflict,
  type Row,
  rowId,
  type Table,
} from '@skooly-edge/sync-protocol';
import type { RowHistory } from './cloud-store.ts';
import type { DatedTransaction } from './dated.ts';
import type { IngestContext } from './ingest-context.ts';
import { visibleTo } from './owner.ts';
import { blamed, type Refusal } from './refusal.ts';

/** A change and where it stands in its transaction. */
export interface ChangeInPlace {
  transaction: DatedTransaction;
  index: number;
  change: Change;
  table: Table;
  current: Row | null;
}

/** The inbox shows a parked transaction's changes up to this size; the transaction itself is kept whatever its size. */
const maxParkedCopyBytes = 256 * 1024;

export class Outcome {
  readonly context: IngestContext;
  readonly #conflictRows: Row[] = [];
  readonly #dirty = new Map<string, { table: string; key: Row }>();

  constructor(context: IngestContext) {
    this.context = context;
  }

  get conflicts(): number {
    return this.#conflictRows.length;
  }

  add(other: Outcome): void {
    this.#conflictRows.push(...other.#conflictRows);
    for (const [id, row] of other.#dirty) this.#dirty.set(id, row);
  }

  /** The campus needs to be told the whole row as it stands at the end of this commit. */
  correct(table: string, key: Row): void {
    if (this.context.commit.catalog.tables.has(table)) this.#dirty.set(rowId(table, key), { table, key });
  }

  async record(history: RowHistory, place: ChangeInPlace, conflict: MergeConflict): Promise<void> {
    const { change, table, current } = place;
    const { by } = table.rule;
    const cloudAt = await history.rowChangedAt(table, change.key);
    this.correct(change.table, change.key);
    this.#conflictRows.push({
      ...this.#base(place.transaction, place.index, change),
      kind: conflict.kind,
      before: json(conflict.before),
      campus_value: json(conflict.campus),
      cloud_value: json(conflict.cloud),
      result: json(conflict.result),
      rule: json(conflict.rule),
      detail: conflict.open ? doubtOf(place.transaction.time, conflict) : null,
      parked: null,
      status: conflict.open ? 'open' : 'settled',
      cloud_at: cloudAt === null ? null : timestamp(cloudAt),
      cloud_by: (by === null ? null : current?.[by]) ?? 'cloud',
    });
  }

  /** A transaction that was parked: one entry for it, on the change that is to blame. @returns its id */
  recordRefusal(transaction: DatedTransaction, refusal: Refusal, current: Row | null): string {
    const change = blamed(transaction, refusal) as Change;
    const base = this.#base(transaction, transaction.changes.indexOf(change), change);
    base.id = parkedConflictId(base.id as string);
    const changes = json(transaction.changes);
    this.#conflictRows.push({
      ...base,
      kind: refusal.kind,
      before: json(change.before),
      campus_value: json(change.after),
      cloud_value: json(current),
      result: json(current),
      rule: json({ '*': 'inbox' }),
      detail: refusal.detail,
      parked: Buffer.byteLength(changes ?? '') > maxParkedCopyBytes ? null : changes,
      status: 'open',
      cloud_at: null,
      cloud_by: null,
    });
    return base.id as string;
  }

  /** A row was given another text, since another row has the one that it wanted. */
  recordSuffix(
    wanted: DatedTransaction,
    applied: DatedTransaction,
    { index, column, constraint }: { index: number; column: string; constraint: string },
  ): void {
    const change = wanted.changes[index] as Change;
    const base = this.#base(wanted, index, change);
    this.correct(change.table, change.key);
    this.#conflictRows.push({
      ...base,
      id: uuidOf(['suffix', base.id]),
      kind: 'unique_clash',
      before: json(change.before),
      campus_value: json({ [column]: change.after?.[column] ?? null }),
      cloud_value: null,
      result: json({ [column]: applied.changes[index]?.after?.[column] ?? null }),
      rule: json({ [constraint]: 'suffix' }),
      detail: null,
      parked: null,
      status: 'settled',
      cloud_at: null,
      cloud_by: null,
    });
  }

  /** Writes the conflicts. @returns what the campus has to be told; call at the end, when every row stands as it will stay. */
  async write(): Promise<Correction[]> {
    const { commit } = this.context;
    const table = commit.catalog.tables.get(conflictTable) as Table;
    if (this.#conflictRows.length > 0) {
      await commit.rows.insert(table, Object.keys(this.#conflictRows[0] as Row), this.#conflictRows);
      for (const row of this.#conflictRows) this.correct(conflictTable, keyOf(row, table.keyColumns));
    }
    return this.#corrections();
  }

  /** Locked, or a writer of the cloud could change a row after it was read and commit before this: the old would seem newer. */
  async #corrections(): Promise<Correction[]> {
    const { commit } = this.context;
    const byTable = new Map<string, Row[]>();
    for (const { table, key } of this.#dirty.values())
      byTable.set(table, [...(byTable.get(table) ?? []), key]);
    const corrections: Correction[] = [];
    for (const [name, keys] of byTable) {
      const table = commit.catalog.tables.get(name) as Table;
      const rows = new Map<string, Row>();
      for (const row of await commit.rows.lock(table, keys, 'share'))
        rows.set(rowId(name, keyOf(row, table.keyColumns)), row);
      for (const key of keys) {
        const row = await visibleTo(this.context.campus, commit.rows, table, rows.get(rowId(name, key)));
        corrections.push({ table: name, key, row });
      }
    }
    return corrections;
  }

  #base(transaction: DatedTransaction, index: number, change: Change): Row {
    const { campus, epoch } = this.context;
    return {
      id: conflictId(campus, epoch, transaction.seq, index),
      campus,
      table_name: change.table,
      row_key: json(change.key),
      campus_at: timestamp(transaction.time.at),
      campus_by: change.by ?? campus,
      campus_epoch: epoch,
      campus_seq: String(transaction.seq),
      created_at: this.context.now.toISOString(),
    };
  }
}

/** Why a conflict that time should have settled is open. */
function doubtOf(time: CommitTime, { rule }: MergeConflict): string | null {
  if (isCertain(time) || !Object.values(rule).includes('newest')) return null;
  const [earliest, latest] = [timestamp(time.earliest), timestamp(time.latest)];
  return `The clock of the box was not certain: this was written on campus between ${earliest} and ${latest}.`;
}

/** The same change gives the same id however often it is applied. UUID version 8, RFC 9562. */
function conflictId(campus: string, epoch: string, seq: number, index: number): string {
  return uuidOf([campus, epoch, seq, index]);
}

function uuidOf(content: unknown): string {
  const hash = createHash('sha256').update(JSON.stringify(content)).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString('hex', 0, 16);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** A parked transaction can come to be applied, and then have conflicts of its own. */
function parkedConflictId(id: string): string {
  return uuidOf(['parked', id]);
}

function json(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

/** @param us Microseconds since 1970-01-01 UTC. */
function timestamp(us: number): string {
  const micros = String(us % 1_000_000).padStart(6, '0');
  return `${new Date(Math.floor(us / 1_000_000) * 1000).toISOString().slice(0, 19)}.${micros}Z`;
}
